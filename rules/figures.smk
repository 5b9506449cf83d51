# Figures and the demonstration video.

SHOWN = SPLIT["test"][config["figures"]["blendshapes_of"]]


rule plot_speakers:
    input:
        expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS),
    output:
        "results/{run}/figures/speakers.png",
    params:
        roles={speaker: role for role in settings.ROLES for speaker in SPLIT[role]},
        code=code("plot_speakers.py"),
    log:
        "results/{run}/logs/plot_speakers.log",
    benchmark:
        "results/{run}/benchmarks/plot_speakers.tsv"
    message:
        "Drawing the speakers"
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_speakers.py"


rule plot_blendshapes:
    input:
        source="results/{run}/source",
        speaker=f"results/{{run}}/blendshapes/{SHOWN}.npz",
    output:
        "results/{run}/figures/blendshapes.png",
    params:
        code=code("plot_blendshapes.py"),
    log:
        "results/{run}/logs/plot_blendshapes.log",
    benchmark:
        "results/{run}/benchmarks/plot_blendshapes.tsv"
    message:
        f"Drawing the 32 blendshapes of {SHOWN} beside the source face"
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_blendshapes.py"


rule plot_training:
    input:
        extractor="results/{run}/extractor/history.jsonl",
        variants=expand("results/{{run}}/said/{variant}/history.jsonl", variant=VARIANTS),
    output:
        "results/{run}/figures/training.png",
    params:
        variants=VARIANTS,
        code=code("plot_training.py"),
    log:
        "results/{run}/logs/plot_training.log",
    benchmark:
        "results/{run}/benchmarks/plot_training.tsv"
    message:
        "Drawing the training curves"
    resources:
        mem_mb=1000,
        runtime=5,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_training.py"


rule demo_video:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=f"results/{{run}}/methods/{VARIANTS[0]}/{SHOWN}.npz",
    output:
        "results/{run}/figures/demo.mp4",
    params:
        sentence=config["figures"]["demo_sentence"],
        size=config["figures"]["video_size"],
        captions=["ground truth", f"SAiD, {VARIANTS[0]}"],
        code=code("demo_video.py"),
    log:
        "results/{run}/logs/demo_video.log",
    benchmark:
        "results/{run}/benchmarks/demo_video.tsv"
    message:
        f"Rendering {SHOWN}: ground truth beside a sample of {VARIANTS[0]}"
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/demo_video.py"


# The deliverables of the configured run, under the one name that does not change with dataset and scale.
rule publish_figure:
    input:
        f"results/{RUN}/figures/{{figure}}",
    output:
        report("results/figures/{figure}", caption="../report/figure.rst", category="Figures"),
    wildcard_constraints:
        figure=r"[^/]+",
    localrule: True
    log:
        f"results/{RUN}/logs/publish_figure/{{figure}}.log",
    message:
        "Publishing {output}"
    shell:
        "cp {input} {output} 2> {log}"


rule figures:
    input:
        expand(
            "results/figures/{figure}",
            figure=["speakers.png", "blendshapes.png", "training.png", "demo.mp4"],
        ),
