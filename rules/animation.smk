# Speech in, a face that speaks out: all recordings of `animate.speech`. No table waits for one of them.
from said.animation import inputs as animated

ANIMATE = config["animate"]
FOUND, MISPLACED = animated.find_recordings([ANIMATE["speech"]] if Path(ANIMATE["speech"]).exists() else [])
RECORDINGS = {recording.name: recording.path for recording in FOUND}
RUN_MODELS = {
    name: animated.ModelFiles(
        name, Path(f"results/{RUN}/said/{name}/model.safetensors"), Path(f"results/{RUN}/speech_encoder")
    )
    for name in VARIANTS
}


rule animate_recording:
    input:
        unpack(model_files),
        recording=lambda w: str(RECORDINGS[w.recording]),
        face=ANIMATE["face"] or [],
        landmarks=ANIMATE["landmarks"] or [],
        names=[ANIMATE["names"]] if Path(ANIMATE["names"]).is_file() else [],
        kept=lambda w: animated.kept_files(ANIMATE["keep"].get(w.recording, {})),
        head=lambda w: head_files(),
    output:
        directory("results/animations/{recording}"),
    log:
        f"results/{RUN}/logs/animate_recording/{{recording}}.log",
    benchmark:
        f"results/{RUN}/benchmarks/animate_recording/{{recording}}.tsv"
    wildcard_constraints:
        recording="|".join(re.escape(name) for name in RECORDINGS) or "none",
    retries: 0
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
    params:
        settings={key: ANIMATE[key] for key in animated.DECIDING},
        keep=lambda w: ANIMATE["keep"].get(w.recording),
        unit=ANIMATE["unit"],
        model=lambda w: animation_model().name,
        head=ANIMATE["head_pose"],
        head_style=ANIMATE["head_style"],
        run=f"results/{RUN}",
        # Of one that could not be read, this may change where the file does not.
        readable=lambda w: os.access(RECORDINGS[w.recording], os.R_OK),
        published=published("SAiD.pth"),
        unfinished=f"results/{RUN}/animations/{{recording}}.unfinished",
        device=config["compute"]["device"],
        code=code("animate_recording.py"),
    message:
        "Animating {wildcards.recording}"
    script:
        "../scripts/animate_recording.py"


if ANIMATE["face"]:

    rule animation_face:
        input:
            face=ANIMATE["face"],
            landmarks=ANIMATE["landmarks"] or [],
        output:
            directory(f"results/animations/faces/{animated.face_name(ANIMATE['face'])}"),
        log:
            f"results/{RUN}/logs/animation_face.log",
        benchmark:
            f"results/{RUN}/benchmarks/animation_face.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(30),
        params:
            unit=ANIMATE["unit"],
            code=code("animation_face.py"),
        message:
            "Making the folder of the face {input.face}"
        script:
            "../scripts/animation_face.py"


rule animation_player:
    input:
        animations=expand("results/animations/{recording}", recording=RECORDINGS),
        face=ANIMATE["face"] or [],
        landmarks=ANIMATE["landmarks"] or [],
    output:
        "results/animations/index.html",
    log:
        f"results/{RUN}/logs/animation_player.log",
    benchmark:
        f"results/{RUN}/benchmarks/animation_player.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        unit=ANIMATE["unit"],
        code=code("animation_player.py"),
    message:
        "Making the page that plays all animations"
    script:
        "../scripts/animation_player.py"


# Fails where a recording could not be animated: the others, and the page that plays them, are there by then.
rule animate:
    input:
        player=rules.animation_player.output[0],
        face=rules.animation_face.output if ANIMATE["face"] else [],
        animations=animations,
    log:
        f"results/{RUN}/logs/animate.log",
    conda:
        "../envs/said.yaml"
    params:
        misplaced=MISPLACED,
        code=code("animate.py"),
    message:
        "Saying what was animated"
    script:
        "../scripts/animate.py"
