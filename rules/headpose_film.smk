# Films of heads that move (the second source): poses of several methods on a face that speaks.
HEAD_TITLES = {"ground_truth": "ground truth", "rhythm_only": "rhythm only", "no_speech": "no speech"}


# The clips have no faces: SAiD's first variant gives all methods the same.
rule sample_clip_faces:
    input:
        weights=f"results/{{run}}/said/{VARIANTS[0]}/model.safetensors",
        encoder="results/{run}/speech_encoder",
        clips="results/{run}/headpose/clips",
    output:
        "results/{run}/headpose/faces.npz",
    log:
        "results/{run}/logs/sample_clip_faces.log",
    benchmark:
        "results/{run}/benchmarks/sample_clip_faces.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        clips=sorted({*config["study"]["part2"]["clips"], *FILMED_CLIPS}),
        settings=config["sampling"],
        device=config["compute"]["device"],
        seed=seed("sample_clip_faces"),
        code=code("sample_clip_faces.py"),
    message:
        f"Letting {VARIANTS[0]} speak the clips that films of the head show"
    script:
        "../scripts/sample_clip_faces.py"


rule headpose_film:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        topology="results/{run}/corpus/topology.npz",
        clips="results/{run}/headpose/clips",
        faces="results/{run}/headpose/faces.npz",
        poses=expand("results/{{run}}/headpose/poses/{method}.npz", method=FILMED_HEADS),
    output:
        "results/{run}/figures/headpose.mp4",
    log:
        "results/{run}/logs/headpose_film.log",
    benchmark:
        "results/{run}/benchmarks/headpose_film.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        clip=config["figures"]["headpose_clip"],
        samples=None,
        titles=HEAD_TITLES,
        columns=max(1, len(FILMED_HEADS)),
        size=config["figures"]["video_size"],
        provenance=PROVENANCE,
        code=code("headpose_film.py"),
    message:
        "Rendering heads side by side: {input.poses}"
    script:
        "../scripts/headpose_film.py"


use rule headpose_film as headpose_diversity_film with:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        topology="results/{run}/corpus/topology.npz",
        clips="results/{run}/headpose/clips",
        faces="results/{run}/headpose/faces.npz",
        poses=expand("results/{{run}}/headpose/poses/{method}.npz", method=["base"]),
    output:
        "results/{run}/figures/headpose_diversity.mp4",
    log:
        "results/{run}/logs/headpose_diversity_film.log",
    benchmark:
        "results/{run}/benchmarks/headpose_diversity_film.tsv"
    params:
        clip=config["figures"]["headpose_clip"],
        samples=5,
        titles=HEAD_TITLES,
        columns=5,
        size=config["figures"]["video_size"],
        provenance=PROVENANCE,
        code=code("headpose_film.py"),
    message:
        "Rendering five samples of one speech side by side"
