# The diverse pose module: head motion as codes, then codes from speech. A variant of `headpose.variants` is a row.
#   headpose/models/pose_vq.safetensors          said.headpose.pose_vq
#   headpose/models/pose_<variant>.safetensors   said.headpose.generator


rule train_pose_vq:
    input:
        clips="results/{run}/headpose/clips",
    output:
        weights="results/{run}/headpose/models/pose_vq.safetensors",
        history="results/{run}/headpose/models/pose_vq/history.jsonl",
    log:
        "results/{run}/logs/train_pose_vq.log",
    benchmark:
        "results/{run}/benchmarks/train_pose_vq.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=1440,
    params:
        settings=config["headpose"]["pose_vq"],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/headpose/models/pose_vq/checkpoint.safetensors",
        events="results/{run}/headpose/models/pose_vq/events.out.tfevents",
        seed=seed("headpose", "pose_vq"),
        code=code("train_pose_vq.py"),
    message:
        "Training the VQ-VAE of head poses"
    script:
        "../scripts/train_pose_vq.py"


rule train_pose_generator:
    input:
        clips="results/{run}/headpose/clips",
        features="results/{run}/headpose/features",
        vq="results/{run}/headpose/models/pose_vq.safetensors",
    output:
        weights="results/{run}/headpose/models/pose_{pose_variant}.safetensors",
        history="results/{run}/headpose/models/pose_{pose_variant}/history.jsonl",
    log:
        "results/{run}/logs/train_pose_generator/{pose_variant}.log",
    benchmark:
        "results/{run}/benchmarks/train_pose_generator/{pose_variant}.tsv"
    wildcard_constraints:
        pose_variant=one_of(POSE_SETTINGS),
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(16000),
        runtime=2880,
    params:
        settings=lambda w: POSE_SETTINGS[w.pose_variant],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/headpose/models/pose_{pose_variant}/checkpoint.safetensors",
        events="results/{run}/headpose/models/pose_{pose_variant}/events.out.tfevents",
        # The same for every variant, so that they differ in what they are asked to do alone.
        seed=seed("headpose", "generator"),
        code=code("train_pose_generator.py"),
    message:
        "Training the generator of head poses, variant {wildcards.pose_variant}"
    script:
        "../scripts/train_pose_generator.py"


rule sample_poses:
    input:
        clips="results/{run}/headpose/clips",
        features="results/{run}/headpose/features",
        vq="results/{run}/headpose/models/pose_vq.safetensors",
        weights="results/{run}/headpose/models/pose_{pose_variant}.safetensors",
    output:
        "results/{run}/headpose/poses/{pose_variant}.npz",
    log:
        "results/{run}/logs/sample_poses/{pose_variant}.log",
    benchmark:
        "results/{run}/benchmarks/sample_poses/{pose_variant}.tsv"
    wildcard_constraints:
        pose_variant=one_of(POSE_SETTINGS),
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        sampling=config["headpose"]["sampling"],
        device=config["compute"]["device"],
        seed=seed("headpose", "sample"),
        code=code("sample_poses.py"),
    message:
        "Sampling head poses of {wildcards.pose_variant}"
    script:
        "../scripts/sample_poses.py"


rule rebuild_poses:
    input:
        clips="results/{run}/headpose/clips",
        vq="results/{run}/headpose/models/pose_vq.safetensors",
    output:
        "results/{run}/headpose/poses/vq.npz",
    log:
        "results/{run}/logs/rebuild_poses.log",
    benchmark:
        "results/{run}/benchmarks/rebuild_poses.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        device=config["compute"]["device"],
        code=code("rebuild_poses.py"),
    message:
        "Taking the true head poses through the VQ-VAE"
    script:
        "../scripts/rebuild_poses.py"


rule plot_headpose_codes:
    input:
        vq="results/{run}/headpose/models/pose_vq.safetensors",
        poses=expand("results/{{run}}/headpose/poses/{method}.npz", method=["ground_truth", *POSE_SETTINGS]),
    output:
        multiext("results/{run}/figures/headpose_codes", ".png", ".pdf"),
    log:
        "results/{run}/logs/plot_headpose_codes.log",
    benchmark:
        "results/{run}/benchmarks/plot_headpose_codes.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        provenance=PROVENANCE,
        code=code("plot_headpose_codes.py"),
    message:
        "Drawing the use of the codes of head motion"
    script:
        "../scripts/plot_headpose_codes.py"


# On demand: what moves heads in `animate --head-pose demo`; `make model` ships it.
rule bundle_head_pose:
    input:
        vq="results/{run}/headpose/models/pose_vq.safetensors",
        generator="results/{run}/headpose/models/pose_{pose_variant}.safetensors",
    output:
        vq="results/{run}/export/head_{pose_variant}/pose_vq.safetensors",
        generator="results/{run}/export/head_{pose_variant}/pose_base.safetensors",
        settings="results/{run}/export/head_{pose_variant}/head_settings.json",
    log:
        "results/{run}/logs/bundle_head_pose/{pose_variant}.log",
    benchmark:
        "results/{run}/benchmarks/bundle_head_pose/{pose_variant}.tsv"
    wildcard_constraints:
        pose_variant=one_of(POSE_SETTINGS),
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        settings=lambda w: PROVENANCE
        | {key: config["headpose"][key] for key in ("clips", "pose_vq")}
        | {"generator": POSE_SETTINGS[w.pose_variant]},
        code=code("bundle_head_pose.py"),
    message:
        "Writing the models of head poses in half precision"
    script:
        "../scripts/bundle_head_pose.py"
