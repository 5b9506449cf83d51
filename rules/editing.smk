# Editing (Eq. 10) and speech of one's own: the entries of `edits`.

EDITS = config["edits"]
KEPT = [name for name, entry in EDITS.items() if any(key in entry for key in entries.KEEPING)]
TESTS = SPLIT["test"]

if faults := list(entries.find_faults(EDITS, SPEAKERS, TESTS, VARIANTS, config["sampling"]["frame_count"])):
    raise WorkflowError("\n  ".join(["the configuration cannot be used:", *faults]))


rule edit_said:
    input:
        unpack(edit_files),
        weights=lambda w: f"results/{w.run}/said/{edit_variant(w)}/model.safetensors",
        encoder="results/{run}/speech_encoder",
    output:
        coefficients="results/{run}/edits/{edit}.csv",
        arrays="results/{run}/edits/{edit}.npz",
    params:
        entry=lambda w: EDITS[w.edit],
        files=edit_files,
        settings=config["sampling"],
        device=config["compute"]["device"],
        # A clip's edit starts from the noise of its sample.
        seed=lambda w: seed("sample", "wav" if "wav" in EDITS[w.edit] else edit_speaker(w)),
        code=code("edit_said.py"),
    log:
        "results/{run}/logs/edit_said/{edit}.log",
    benchmark:
        "results/{run}/benchmarks/edit_said/{edit}.tsv"
    message:
        "Making the edit {wildcards.edit}"
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/edit_said.py"


rule plot_edit:
    input:
        "results/{run}/edits/{edit}.npz",
    output:
        "results/{run}/edits/{edit}.png",
    params:
        titles=lambda w: [w.edit],
        code=code("plot_edits.py"),
    log:
        "results/{run}/logs/plot_edit/{edit}.log",
    benchmark:
        "results/{run}/benchmarks/plot_edit/{edit}.tsv"
    message:
        "Drawing the edit {wildcards.edit}"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_edits.py"


rule edit_video:
    input:
        unpack(edit_files),
        arrays="results/{run}/edits/{edit}.npz",
        blendshapes=lambda w: f"results/{w.run}/blendshapes/{edit_speaker(w)}.npz",
    output:
        "results/{run}/edits/{edit}.mp4",
    params:
        entry=lambda w: EDITS[w.edit],
        files=edit_files,
        size=config["figures"]["video_size"],
        code=code("edit_video.py"),
    log:
        "results/{run}/logs/edit_video/{edit}.log",
    benchmark:
        "results/{run}/benchmarks/edit_video/{edit}.tsv"
    message:
        "Rendering the edit {wildcards.edit}"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/edit_video.py"


rule publish_edit:
    input:
        f"results/{RUN}/edits/{{edit}}.{{suffix}}",
    output:
        report("results/edits/{edit}.{suffix}", caption="../report/edit.rst", category="4 Edits", labels={"edit": "{edit}", "format": "{suffix}"}),
    wildcard_constraints:
        suffix="csv|png|mp4",
    params:
        code=code("publish.py"),
    localrule: True
    log:
        f"results/{RUN}/logs/publish_edit/{{edit}}.{{suffix}}.log",
    message:
        "Publishing {output}"
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/publish.py"


rule edits:
    input:
        expand("results/edits/{edit}.{suffix}", edit=EDITS, suffix=["csv", "png"]),
