# Figures and the demonstration video.

SHOWN = SPLIT["test"][config["figures"]["blendshapes_of"]]


rule plot_speakers:
    input:
        expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS),
    output:
        multiext("results/{run}/figures/speakers", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_speakers.log",
    benchmark:
        "results/{run}/benchmarks/plot_speakers.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        roles={speaker: role for role in settings.ROLES for speaker in SPLIT[role]},
        provenance=PROVENANCE,
        code=code("plot_speakers.py"),
    message:
        "Drawing the speakers"
    script:
        "../scripts/plot_speakers.py"


rule plot_blendshapes:
    input:
        source="results/{run}/source",
        speaker=f"results/{{run}}/blendshapes/{SHOWN}.npz",
    output:
        multiext("results/{run}/figures/blendshapes", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_blendshapes.log",
    benchmark:
        "results/{run}/benchmarks/plot_blendshapes.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        provenance=PROVENANCE,
        code=code("plot_blendshapes.py"),
    message:
        f"Drawing the 32 blendshapes of {SHOWN} beside the source face"
    script:
        "../scripts/plot_blendshapes.py"


rule plot_training:
    input:
        extractor="results/{run}/extractor/history.jsonl",
        variants=expand("results/{{run}}/said/{variant}/history.jsonl", variant=VARIANTS),
    output:
        multiext("results/{run}/figures/training", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_training.log",
    benchmark:
        "results/{run}/benchmarks/plot_training.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        variants=VARIANTS,
        provenance=PROVENANCE,
        code=code("plot_training.py"),
    message:
        "Drawing the training curves"
    script:
        "../scripts/plot_training.py"


rule plot_overview:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=f"results/{{run}}/methods/{VARIANTS[0]}/{SHOWN}.npz",
    output:
        multiext("results/{run}/figures/overview", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_overview.log",
    benchmark:
        "results/{run}/benchmarks/plot_overview.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_overview.py"),
    message:
        "Drawing figure 1, the overview"
    script:
        "../scripts/plot_overview.py"


rule plot_construction:
    input:
        source="results/{run}/source",
        regions="results/{run}/blendshapes/regions.npz",
        template=f"results/{{run}}/corpus/templates/{SHOWN}.ply",
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        coefficients=f"results/{{run}}/coefficients/{SHOWN}",
    output:
        multiext("results/{run}/figures/construction", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_construction.log",
    benchmark:
        "results/{run}/benchmarks/plot_construction.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_construction.py"),
    message:
        "Drawing figure 2, the construction of BlendVOCA"
    script:
        "../scripts/plot_construction.py"


rule plot_architecture:
    input:
        weights=f"results/{{run}}/said/{VARIANTS[0]}/model.safetensors",
        encoder="results/{run}/speech_encoder",
    output:
        multiext("results/{run}/figures/architecture", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_architecture.log",
    benchmark:
        "results/{run}/benchmarks/plot_architecture.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        variant=VARIANTS[0],
        provenance=PROVENANCE,
        code=code("plot_architecture.py"),
    message:
        "Drawing figure 3, the architecture"
    script:
        "../scripts/plot_architecture.py"


rule demo_video:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=[f"results/{{run}}/methods/{VARIANTS[0]}/{SHOWN}.npz"],
    output:
        "results/{run}/figures/demo.mp4",
    log:
        "results/{run}/logs/demo_video.log",
    benchmark:
        "results/{run}/benchmarks/demo_video.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        sentence=config["figures"]["demo_sentence"],
        size=config["figures"]["video_size"],
        captions=["ground truth", f"SAiD, {VARIANTS[0]}"],
        columns=2,
        provenance=PROVENANCE,
        code=code("demo_video.py"),
    message:
        f"Rendering {SHOWN}: ground truth beside a sample of {VARIANTS[0]}"
    script:
        "../scripts/demo_video.py"


# Figure 4; only of edits that keep something.
rule plot_editing:
    input:
        expand("results/{{run}}/edits/{edit}.npz", edit=KEPT),
    output:
        expand("results/{{run}}/figures/editing.{suffix}", suffix=["png", "pdf"]),
    log:
        "results/{run}/logs/plot_editing.log",
    benchmark:
        "results/{run}/benchmarks/plot_editing.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        titles=KEPT,
        provenance=PROVENANCE,
        code=code("plot_edit.py"),
    message:
        "Drawing the edits"
    script:
        "../scripts/plot_edit.py"


# Figures 5 and 9.
rule plot_velocity:
    input:
        smooth=f"results/{{run}}/methods/base/{SHOWN}.npz",
        rough=f"results/{{run}}/methods/no_velocity/{SHOWN}.npz",
    output:
        expand("results/{{run}}/figures/{figure}.{suffix}", figure=["velocity", "velocity_all"], suffix=["png", "pdf"]),
    log:
        "results/{run}/logs/plot_velocity.log",
    benchmark:
        "results/{run}/benchmarks/plot_velocity.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_velocity.py"),
    message:
        "Drawing a sample with and without velocity loss"
    script:
        "../scripts/plot_velocity.py"


# Figure 6.
rule plot_attention:
    input:
        weights=expand("results/{{run}}/said/{variant}/model.safetensors", variant=["base", "no_alignment_bias"]),
        encoder="results/{run}/speech_encoder",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        truth=f"results/{{run}}/methods/ground_truth/{SHOWN}.npz",
    output:
        expand("results/{{run}}/figures/attention.{suffix}", suffix=["png", "pdf"]),
    log:
        "results/{run}/logs/plot_attention.log",
    benchmark:
        "results/{run}/benchmarks/plot_attention.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        titles=["with alignment bias", "without alignment bias"],
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_attention.py"),
    message:
        "Drawing the cross-attention with and without alignment bias"
    script:
        "../scripts/plot_attention.py"


rule comparison_video:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=expand("results/{{run}}/methods/{variant}/{speaker}.npz", variant=VARIANTS, speaker=SHOWN),
    output:
        "results/{run}/figures/comparison{sentence}.mp4",
    log:
        "results/{run}/logs/comparison_video/{sentence}.log",
    benchmark:
        "results/{run}/benchmarks/comparison_video/{sentence}.tsv"
    wildcard_constraints:
        sentence=r"\d+",
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        sentence=lambda w: int(w.sentence),
        size=config["figures"]["video_size"],
        captions=["ground truth", *VARIANTS],
        columns=3,
        provenance=PROVENANCE,
        code=code("demo_video.py"),
    message:
        f"Rendering {SHOWN}: ground truth beside every variant"
    script:
        "../scripts/demo_video.py"


# The methods of Table 1; in the first of their samples, and so in the first style.
use rule comparison_video as methods_video with:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=expand("results/{{run}}/methods/{method}/{speaker}.npz", method=TABLE1, speaker=SHOWN),
    output:
        "results/{run}/figures/methods{sentence}.mp4",
    log:
        "results/{run}/logs/methods_video/{sentence}.log",
    benchmark:
        "results/{run}/benchmarks/methods_video/{sentence}.tsv"
    params:
        sentence=lambda w: int(w.sentence),
        size=config["figures"]["video_size"],
        captions=["ground truth", *(({VARIANTS[0]: "SAiD"} | TITLES).get(method, method) for method in TABLE1)],
        columns=4,
        provenance=PROVENANCE,
        code=code("demo_video.py"),
    message:
        f"Rendering {SHOWN}: ground truth beside the methods of Table 1"


# The deliverables of the configured run, under names that do not depend on dataset and scale.
rule publish_figure:
    input:
        f"results/{RUN}/figures/{{figure}}",
    output:
        report(
            "results/figures/{figure}",
            caption="../report/figure.rst",
            category=lambda w: "3 Videos" if w.figure.endswith(".mp4") else "2 Figures",
            labels=figure_labels,
        ),
    log:
        f"results/{RUN}/logs/publish_figure/{{figure}}.log",
    wildcard_constraints:
        figure=r"[^/]+",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        code=code("publish.py"),
    message:
        "Publishing {output}"
    script:
        "../scripts/publish.py"


# A figure whose variants or edits are not configured is left out.
COMPARED = {
    "editing": bool(KEPT),
    "velocity": {"base", "no_velocity"} <= set(VARIANTS),
    "velocity_all": {"base", "no_velocity"} <= set(VARIANTS),
    "attention": {"base", "no_alignment_bias"} <= set(VARIANTS),
}
STILLS = ["overview", "construction", "architecture", "speakers", "blendshapes", "training", "lipsync"]
STILLS += [figure for figure, wanted in COMPARED.items() if wanted]
FIGURES = [
    *expand("{figure}.{format}", figure=STILLS, format=["png", "pdf"]),
    "demo.mp4",
    *expand("{kind}{sentence}.mp4", kind=["comparison", "methods"], sentence=config["figures"]["comparison_sentences"]),
]


rule figures:
    input:
        expand("results/figures/{figure}", figure=FIGURES),
