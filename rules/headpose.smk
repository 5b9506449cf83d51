# The second source: heads that move to speech, a reconstruction from its supplement. `snakemake headpose`.
#   headpose/clips/clips.csv, <clip>.npz      speech and pose of eight seconds each, see said.headpose.clips
#   headpose/features/<clip>.npz              what a network hears of it
#   headpose/poses/<method>.npz               clip -> (samples, 200, 3) rotation vectors at 25 per second, test clips
# A method is a name under headpose/poses; how it came by its poses is not known here.
CLIPS = config["headpose"]["clips"]
TALKS_GENERATED = CLIPS["path"] is None
KNOWN_POSES = [method for method in KNOWN if TALKS_GENERATED or method != "oracle"]
POSE_VARIANTS = pose_variants()
POSE_SETTINGS = {
    name: settings.merge(config["headpose"]["generator"], config["headpose"]["variants"][name])
    for name in POSE_VARIANTS
}
POSE_METHODS = [*KNOWN_POSES, "vq", *POSE_VARIANTS, *config["headpose"]["measures"]["others"]]

if TALKS_GENERATED:

    rule record_talks:
        output:
            directory("results/{run}/headpose/clips"),
        log:
            "results/{run}/logs/record_talks.log",
        benchmark:
            "results/{run}/benchmarks/record_talks.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            voices=CLIPS["voices"],
            clips=CLIPS["clips_per_voice"],
            never=CLIPS["never"],
            split=CLIPS["split"],
            seed=seed("headpose", "clips"),
            code=code("record_talks.py"),
        message:
            "Recording {params.voices} generated people who speak and move their heads"
        script:
            "../scripts/record_talks.py"

else:

    rule cut_talks:
        input:
            own=recordings_of_heads(CLIPS["path"]),
        output:
            directory("results/{run}/headpose/clips"),
        log:
            "results/{run}/logs/cut_talks.log",
        benchmark:
            "results/{run}/benchmarks/cut_talks.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(720),
        params:
            path=CLIPS["path"],
            split=CLIPS["split"],
            code=code("cut_talks.py"),
        message:
            "Cutting the recordings in {params.path} into clips of eight seconds"
        script:
            "../scripts/cut_talks.py"


rule hear_talks:
    input:
        clips="results/{run}/headpose/clips",
        encoder="results/{run}/speech_encoder",
    output:
        directory("results/{run}/headpose/features"),
    log:
        "results/{run}/logs/hear_talks.log",
    benchmark:
        "results/{run}/benchmarks/hear_talks.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        # What the speech encoder is given for one variant or another.
        given=sorted({settings["semantic_input"] for settings in POSE_SETTINGS.values()}) or ["speech"],
        device=config["compute"]["device"],
        code=code("hear_talks.py"),
    message:
        "Encoding the speech of every clip of a head"
    script:
        "../scripts/hear_talks.py"


rule train_pose_fid:
    input:
        clips="results/{run}/headpose/clips",
    output:
        weights="results/{run}/headpose/models/pose_fid.safetensors",
        history="results/{run}/headpose/models/pose_fid/history.jsonl",
    log:
        "results/{run}/logs/train_pose_fid.log",
    benchmark:
        "results/{run}/benchmarks/train_pose_fid.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=720,
    params:
        settings=config["headpose"]["fid"],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/headpose/models/pose_fid/checkpoint.safetensors",
        events="results/{run}/headpose/models/pose_fid/events.out.tfevents",
        seed=seed("headpose", "fid"),
        code=code("train_pose_fid.py"),
    message:
        "Training the autoencoder that the Frechet distance of head poses rests on"
    script:
        "../scripts/train_pose_fid.py"


rule known_poses:
    input:
        clips="results/{run}/headpose/clips",
    output:
        "results/{run}/headpose/poses/{method}.npz",
    log:
        "results/{run}/logs/known_poses/{method}.log",
    benchmark:
        "results/{run}/benchmarks/known_poses/{method}.tsv"
    wildcard_constraints:
        method=one_of(KNOWN_POSES),
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("known_poses.py"),
    message:
        "Taking head poses that need no training: {wildcards.method}"
    script:
        "../scripts/known_poses.py"


rule measure_poses:
    input:
        clips="results/{run}/headpose/clips",
        extractor="results/{run}/headpose/models/pose_fid.safetensors",
        poses="results/{run}/headpose/poses/{method}.npz",
    output:
        "results/{run}/headpose/measures/{method}.json",
    log:
        "results/{run}/logs/measure_poses/{method}.log",
    benchmark:
        "results/{run}/benchmarks/measure_poses/{method}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=code("measure_poses.py"),
    message:
        "Measuring the head poses of {wildcards.method}"
    script:
        "../scripts/measure_poses.py"


rule headpose_table:
    input:
        expand("results/{run}/headpose/measures/{method}.json", run=RUN, method=POSE_METHODS),
    output:
        csv=report(
            "results/headpose.csv",
            caption="../report/headpose.rst",
            category="1 Tables",
            labels={"table": "Head pose", "as": "raw CSV"},
        ),
        html=report(
            "results/headpose.html",
            caption="../report/headpose.rst",
            category="1 Tables",
            labels={"table": "Head pose", "as": "page"},
        ),
        markdown="results/headpose.md",
        metadata="results/headpose.csv-metadata.json",
    log:
        f"results/{RUN}/logs/headpose_table.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        embedded=TALKS_GENERATED,
        provenance=PROVENANCE,
        code=code("headpose_table.py"),
    message:
        "Making the table of head poses"
    script:
        "../scripts/headpose_table.py"


rule plot_headpose:
    input:
        clips="results/{run}/headpose/clips",
        poses=expand("results/{{run}}/headpose/poses/{method}.npz", method=POSE_METHODS),
    output:
        expand(
            "results/{{run}}/figures/{figure}.{suffix}",
            figure=["headpose_tracks", "headpose_beats"],
            suffix=["png", "pdf"],
        ),
    log:
        "results/{run}/logs/plot_headpose.log",
    benchmark:
        "results/{run}/benchmarks/plot_headpose.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        # The floor beside what is trained.
        tracks=[*(["oracle"] if TALKS_GENERATED else ["ground_truth"]), *POSE_VARIANTS][:4],
        provenance=PROVENANCE,
        code=code("plot_headpose.py"),
    message:
        "Drawing heads over their speech"
    script:
        "../scripts/plot_headpose.py"


# Beside each other in a film, see headpose_film.smk.
FILMED_HEADS = [method for method in ("ground_truth", "base", "rhythm_only", "no_speech") if method in POSE_METHODS]
FILMED_CLIPS = [clip for clip in (config["figures"]["headpose_clip"],) if clip is not None]
HEAD_FILMS = ["headpose"] + ["headpose_diversity"] * ("base" in POSE_VARIANTS) if FILMED_CLIPS else []
HEADPOSE = [
    *expand("results/headpose.{kind}", kind=["csv", "md", "html"]),
    *expand("results/figures/headpose_{figure}.{suffix}", figure=["tracks", "beats", "codes"], suffix=["png", "pdf"]),
    *expand("results/figures/{film}.mp4", film=HEAD_FILMS),
    *expand("results/{run}/headpose/features", run=RUN),
]


rule headpose:
    input:
        HEADPOSE,
