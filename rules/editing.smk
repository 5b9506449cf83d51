# Editing (Eq. 10) and the user's own speech: the entries of `edits`.

# A wrong entry stops only itself: everything else is still made.
EDITS, REFUSED = entries.sort_out(
    config["edits"],
    config["refused_edits"],
    speakers=SPEAKERS,
    test_speakers=SPLIT["test"],
    variants=VARIANTS,
    rounding=config["sampling"]["frame_count"],
    sentences=SENTENCES if config["dataset"] == "synthetic" else None,
)
KEPT = [name for name, entry in EDITS.items() if any(key in entry for key in entries.KEEPING)]
TESTS = SPLIT["test"]

if REFUSED and workflow.is_main_process:
    faults = [fault for faults in REFUSED.values() for fault in faults]
    logger.warning("\n  ".join(["Wrong entries of `edits` are not made; all else is:", *faults]))


wildcard_constraints:
    edit="|".join(EDITS) or "none",


rule edit_said:
    input:
        unpack(edit_files),
        weights=lambda w: f"results/{w.run}/said/{edit_variant(w)}/model.safetensors",
        encoder="results/{run}/speech_encoder",
    output:
        coefficients="results/{run}/edits/{edit}.csv",
        arrays="results/{run}/edits/{edit}.npz",
        metadata="results/{run}/edits/{edit}.csv-metadata.json",
    log:
        "results/{run}/logs/edit_said/{edit}.log",
    benchmark:
        "results/{run}/benchmarks/edit_said/{edit}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        entry=lambda w: EDITS[w.edit],
        files=edit_files,
        settings=config["sampling"],
        device=config["compute"]["device"],
        # An edit of a clip starts from the noise of the clip's sample.
        seed=lambda w: seed("sample", "wav" if "wav" in EDITS[w.edit] else edit_speaker(w)),
        provenance=PROVENANCE,
        code=code("edit_said.py"),
    message:
        "Making the edit {wildcards.edit}"
    script:
        "../scripts/edit_said.py"


rule plot_edit:
    input:
        "results/{run}/edits/{edit}.npz",
    output:
        "results/{run}/edits/{edit}.png",
    log:
        "results/{run}/logs/plot_edit/{edit}.log",
    benchmark:
        "results/{run}/benchmarks/plot_edit/{edit}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        titles=lambda w: [w.edit],
        provenance=PROVENANCE,
        code=code("plot_edit.py"),
    message:
        "Drawing the edit {wildcards.edit}"
    script:
        "../scripts/plot_edit.py"


rule edit_video:
    input:
        unpack(edit_files),
        arrays="results/{run}/edits/{edit}.npz",
        blendshapes=lambda w: f"results/{w.run}/blendshapes/{edit_speaker(w)}.npz",
    output:
        "results/{run}/edits/{edit}.mp4",
    log:
        "results/{run}/logs/edit_video/{edit}.log",
    benchmark:
        "results/{run}/benchmarks/edit_video/{edit}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        entry=lambda w: EDITS[w.edit],
        files=edit_files,
        size=config["figures"]["video_size"],
        provenance=PROVENANCE,
        code=code("edit_video.py"),
    message:
        "Rendering the edit {wildcards.edit}"
    script:
        "../scripts/edit_video.py"


rule publish_edit:
    input:
        csv=f"results/{RUN}/edits/{{edit}}.csv",
        metadata=f"results/{RUN}/edits/{{edit}}.csv-metadata.json",
    output:
        csv=report(
            "results/edits/{edit}.csv",
            caption="../report/edit.rst",
            category="4 Edits",
            labels={"edit": "{edit}", "format": "csv"},
        ),
        metadata="results/edits/{edit}.csv-metadata.json",
    log:
        f"results/{RUN}/logs/publish_edit/{{edit}}.csv.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        code=code("publish.py"),
    message:
        "Publishing {output.csv}"
    script:
        "../scripts/publish.py"


rule publish_edit_picture:
    input:
        f"results/{RUN}/edits/{{edit}}.{{suffix}}",
    output:
        report(
            "results/edits/{edit}.{suffix}",
            caption="../report/edit.rst",
            category="4 Edits",
            labels={"edit": "{edit}", "format": "{suffix}"},
        ),
    log:
        f"results/{RUN}/logs/publish_edit/{{edit}}.{{suffix}}.log",
    wildcard_constraints:
        suffix="png|mp4",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        code=code("publish.py"),
    message:
        "Publishing {output}"
    script:
        "../scripts/publish.py"


if REFUSED:

    # It always fails, without stopping other jobs: see `let_edits_fail` in common.smk.
    rule refuse_edit:
        output:
            "results/edits/{refused}.{suffix}",
        log:
            f"results/{RUN}/logs/refuse_edit/{{refused}}.{{suffix}}.log",
        wildcard_constraints:
            refused="|".join(REFUSED),
            suffix="csv|png|mp4",
        priority: 1
        retries: 0
        localrule: True
        conda:
            "../envs/said.yaml"
        params:
            faults=lambda w: REFUSED[w.refused],
            code=code("refuse_edit.py"),
        message:
            "Reporting what is wrong with an entry of `edits`"
        script:
            "../scripts/refuse_edit.py"


EDIT_FILES = expand("results/edits/{edit}.{suffix}", edit=EDITS, suffix=["csv", "png"])


rule edits:
    input:
        EDIT_FILES,
        expand("results/edits/{refused}.csv", refused=REFUSED),
