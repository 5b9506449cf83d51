# Figures and the demonstration video.

SHOWN = SPLIT["test"][config["figures"]["blendshapes_of"]]


rule plot_speakers:
    input:
        expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS),
    output:
        multiext("results/{run}/figures/speakers", ".png", ".pdf"),
    params:
        roles={speaker: role for role in settings.ROLES for speaker in SPLIT[role]},
        provenance=PROVENANCE,
        code=code("plot_speakers.py"),
    log:
        "results/{run}/logs/plot_speakers.log",
    benchmark:
        "results/{run}/benchmarks/plot_speakers.tsv"
    message:
        "Drawing the speakers"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_speakers.py"


rule plot_blendshapes:
    input:
        source="results/{run}/source",
        speaker=f"results/{{run}}/blendshapes/{SHOWN}.npz",
    output:
        multiext("results/{run}/figures/blendshapes", ".png", ".pdf"),
    params:
        provenance=PROVENANCE,
        code=code("plot_blendshapes.py"),
    log:
        "results/{run}/logs/plot_blendshapes.log",
    benchmark:
        "results/{run}/benchmarks/plot_blendshapes.tsv"
    message:
        f"Drawing the 32 blendshapes of {SHOWN} beside the source face"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_blendshapes.py"


rule plot_training:
    input:
        extractor="results/{run}/extractor/history.jsonl",
        variants=expand("results/{{run}}/said/{variant}/history.jsonl", variant=VARIANTS),
    output:
        multiext("results/{run}/figures/training", ".png", ".pdf"),
    params:
        variants=VARIANTS,
        provenance=PROVENANCE,
        code=code("plot_training.py"),
    log:
        "results/{run}/logs/plot_training.log",
    benchmark:
        "results/{run}/benchmarks/plot_training.tsv"
    message:
        "Drawing the training curves"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_training.py"


rule plot_overview:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=f"results/{{run}}/methods/{VARIANTS[0]}/{SHOWN}.npz",
    output:
        multiext("results/{run}/figures/overview", ".png", ".pdf"),
    params:
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_overview.py"),
    log:
        "results/{run}/logs/plot_overview.log",
    benchmark:
        "results/{run}/benchmarks/plot_overview.tsv"
    message:
        "Drawing figure 1, the overview"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
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
    params:
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_construction.py"),
    log:
        "results/{run}/logs/plot_construction.log",
    benchmark:
        "results/{run}/benchmarks/plot_construction.tsv"
    message:
        "Drawing figure 2, the construction of BlendVOCA"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_construction.py"


rule plot_architecture:
    input:
        weights=f"results/{{run}}/said/{VARIANTS[0]}/model.safetensors",
        encoder="results/{run}/speech_encoder",
    output:
        multiext("results/{run}/figures/architecture", ".png", ".pdf"),
    params:
        variant=VARIANTS[0],
        provenance=PROVENANCE,
        code=code("plot_architecture.py"),
    log:
        "results/{run}/logs/plot_architecture.log",
    benchmark:
        "results/{run}/benchmarks/plot_architecture.tsv"
    message:
        "Drawing figure 3, the architecture"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_architecture.py"


rule demo_video:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=[f"results/{{run}}/methods/{VARIANTS[0]}/{SHOWN}.npz"],
    output:
        "results/{run}/figures/demo.mp4",
    params:
        sentence=config["figures"]["demo_sentence"],
        size=config["figures"]["video_size"],
        captions=["ground truth", f"SAiD, {VARIANTS[0]}"],
        columns=2,
        provenance=PROVENANCE,
        code=code("demo_video.py"),
    log:
        "results/{run}/logs/demo_video.log",
    benchmark:
        "results/{run}/benchmarks/demo_video.tsv"
    message:
        f"Rendering {SHOWN}: ground truth beside a sample of {VARIANTS[0]}"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/demo_video.py"


# Figure 4; only of edits that keep something.
rule plot_editing:
    input:
        expand("results/{{run}}/edits/{edit}.npz", edit=KEPT),
    output:
        expand("results/{{run}}/figures/editing.{suffix}", suffix=["png", "pdf"]),
    params:
        titles=KEPT,
        provenance=PROVENANCE,
        code=code("plot_edit.py"),
    log:
        "results/{run}/logs/plot_editing.log",
    benchmark:
        "results/{run}/benchmarks/plot_editing.tsv"
    message:
        "Drawing the edits"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_edit.py"


# Figures 5 and 9.
rule plot_velocity:
    input:
        smooth=f"results/{{run}}/methods/base/{SHOWN}.npz",
        rough=f"results/{{run}}/methods/no_velocity/{SHOWN}.npz",
    output:
        expand("results/{{run}}/figures/{figure}.{suffix}", figure=["velocity", "velocity_all"], suffix=["png", "pdf"]),
    params:
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_velocity.py"),
    log:
        "results/{run}/logs/plot_velocity.log",
    benchmark:
        "results/{run}/benchmarks/plot_velocity.tsv"
    message:
        "Drawing a sample with and without velocity loss"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
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
    params:
        titles=["with alignment bias", "without alignment bias"],
        sentence=config["figures"]["demo_sentence"],
        provenance=PROVENANCE,
        code=code("plot_attention.py"),
    log:
        "results/{run}/logs/plot_attention.log",
    benchmark:
        "results/{run}/benchmarks/plot_attention.tsv"
    message:
        "Drawing the cross-attention with and without alignment bias"
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/plot_attention.py"


rule comparison_video:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        sequences=f"results/{{run}}/corpus/sequences/{SHOWN}",
        generated=expand("results/{{run}}/methods/{variant}/{speaker}.npz", variant=VARIANTS, speaker=SHOWN),
    output:
        "results/{run}/figures/comparison{sentence}.mp4",
    wildcard_constraints:
        sentence=r"\d+",
    params:
        sentence=lambda w: int(w.sentence),
        size=config["figures"]["video_size"],
        captions=["ground truth", *VARIANTS],
        columns=3,
        provenance=PROVENANCE,
        code=code("demo_video.py"),
    log:
        "results/{run}/logs/comparison_video/{sentence}.log",
    benchmark:
        "results/{run}/benchmarks/comparison_video/{sentence}.tsv"
    message:
        f"Rendering {SHOWN}: ground truth beside every variant"
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/demo_video.py"


# The deliverables of the configured run, under the one name that does not change with dataset and scale.
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
    wildcard_constraints:
        figure=r"[^/]+",
    params:
        code=code("publish.py"),
    localrule: True
    log:
        f"results/{RUN}/logs/publish_figure/{{figure}}.log",
    message:
        "Publishing {output}"
    conda:
        "../envs/said.yaml"
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
    *expand("comparison{sentence}.mp4", sentence=config["figures"]["comparison_sentences"]),
]


rule figures:
    input:
        expand("results/figures/{figure}", figure=FIGURES),
