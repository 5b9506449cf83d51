# The facial animation module of the second source: emotions, the space of facial motion, the dual-path network. Each
# face is a method, so that what measures Table 1 measures it; docs/headpose.md.
EMOTIONS = config["headpose"]["emotions"]
FACES = {
    name: settings.merge(config["headpose"]["face"], block)
    for name, block in config["headpose"]["face_variants"].items()
}
FACE_METHODS = [f"headpose_{name}" for name in ["vq", *FACES]]

if EMOTIONS["path"] is None:

    rule act_emotions:
        output:
            "results/{run}/headpose/emotions.npz",
        log:
            "results/{run}/logs/act_emotions.log",
        benchmark:
            "results/{run}/benchmarks/act_emotions.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            actors=EMOTIONS["actors"],
            utterances=EMOTIONS["utterances"],
            seed=seed("emotions"),
            code=code("act_emotions.py"),
        message:
            "Moving {params.actors} faces in eight emotions"
        script:
            "../scripts/act_emotions.py"

else:

    rule read_mead:
        input:
            flame=own_among({"headpose.emotions.flame": EMOTIONS["flame"]}),
            source="results/{run}/source",
            topology="results/{run}/corpus/topology.npz",
            regions="results/{run}/blendshapes/regions.npz",
        output:
            "results/{run}/headpose/emotions.npz",
        log:
            "results/{run}/logs/read_mead.log",
        benchmark:
            "results/{run}/benchmarks/read_mead.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=1440,
        params:
            path=EMOTIONS["path"],
            solver=config["coefficients"]["solver"],
            finished="results/{run}/headpose/emotions.unfinished",
            code=code("read_mead.py"),
        message:
            "Fitting coefficients to the FLAME parameters in {params.path}"
        script:
            "../scripts/read_mead.py"


rule train_facial_vq:
    input:
        emotions="results/{run}/headpose/emotions.npz",
        train=expand(
            "results/{{run}}/coefficients/{speaker}",
            speaker=SPLIT["train"] * config["headpose"]["facial_vq"]["corpus"],
        ),
        # What the blendshapes do to the lips weighs errors.
        topology="results/{run}/corpus/topology.npz",
        regions="results/{run}/blendshapes/regions.npz",
        template=f"results/{{run}}/corpus/templates/{SPLIT['train'][0]}.ply",
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["train"]),
    output:
        weights="results/{run}/headpose/models/facial_vq.safetensors",
        history="results/{run}/headpose/models/facial_vq/history.jsonl",
    log:
        "results/{run}/logs/train_facial_vq.log",
    benchmark:
        "results/{run}/benchmarks/train_facial_vq.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=1440,
    params:
        settings={key: value for key, value in config["headpose"]["facial_vq"].items() if key != "corpus"},
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/headpose/models/facial_vq/checkpoint.safetensors",
        events="results/{run}/headpose/models/facial_vq/events.out.tfevents",
        seed=seed("facial_vq"),
        code=code("train_facial_vq.py"),
    message:
        "Training the space of facial motion"
    script:
        "../scripts/train_facial_vq.py"


rule train_dual_path:
    input:
        vq="results/{run}/headpose/models/facial_vq.safetensors",
        encoder="results/{run}/speech_encoder",
        train=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
        train_speech=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["train"]),
        validation=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["validation"]),
        validation_speech=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["validation"]),
    output:
        weights="results/{run}/headpose/models/face_{face}.safetensors",
        history="results/{run}/headpose/models/face_{face}/history.jsonl",
    log:
        "results/{run}/logs/train_dual_path/{face}.log",
    benchmark:
        "results/{run}/benchmarks/train_dual_path/{face}.tsv"
    wildcard_constraints:
        face=one_of(FACES),
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=2880,
    params:
        settings=lambda w: FACES[w.face],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/headpose/models/face_{face}/checkpoint.safetensors",
        events="results/{run}/headpose/models/face_{face}/events.out.tfevents",
        seed=seed("dual_path"),
        code=code("train_dual_path.py"),
    message:
        "Training the dual-path network, variant {wildcards.face}"
    script:
        "../scripts/train_dual_path.py"


rule sample_face:
    input:
        weights="results/{run}/headpose/models/face_{face}.safetensors",
        encoder="results/{run}/speech_encoder",
        speech="results/{run}/corpus/sequences/{speaker}",
    output:
        "results/{run}/methods/headpose_{face}/{speaker}.npz",
    log:
        "results/{run}/logs/sample_face/{face}/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/sample_face/{face}/{speaker}.tsv"
    wildcard_constraints:
        face=one_of(FACES),
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        device=config["compute"]["device"],
        code=code("sample_face.py"),
    message:
        "Asking the dual-path network {wildcards.face} for every sentence of {wildcards.speaker}"
    script:
        "../scripts/sample_face.py"


# What the words of the codebook are worth: the truth, said in them.
rule face_in_codes:
    input:
        weights="results/{run}/headpose/models/facial_vq.safetensors",
        coefficients="results/{run}/coefficients/{speaker}",
    output:
        "results/{run}/methods/headpose_vq/{speaker}.npz",
    log:
        "results/{run}/logs/face_in_codes/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/face_in_codes/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("face_in_codes.py"),
    message:
        "Saying the truth of {wildcards.speaker} in the words of the codebook"
    script:
        "../scripts/face_in_codes.py"


rule measure_face:
    input:
        topology="results/{run}/corpus/topology.npz",
        regions="results/{run}/blendshapes/regions.npz",
        templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPLIT["test"]),
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["test"]),
        sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["test"]),
        real=expand("results/{{run}}/methods/ground_truth/{speaker}.npz", speaker=SPLIT["test"]),
        generated=expand("results/{{run}}/methods/{{method}}/{speaker}.npz", speaker=SPLIT["test"]),
    output:
        "results/{run}/headpose/faces/{method}.json",
    log:
        "results/{run}/logs/measure_face/{method}.log",
    benchmark:
        "results/{run}/benchmarks/measure_face/{method}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code("measure_face.py"),
    message:
        "Measuring what Table 1 does not of the face {wildcards.method}"
    script:
        "../scripts/measure_face.py"


rule headpose_face:
    input:
        measurements=expand(
            "results/{run}/{kind}/{method}.json",
            run=RUN,
            kind=[*BEYOND_FROM, "headpose/faces"],
            method=["ground_truth", VARIANTS[0], *FACE_METHODS],
        ),
    output:
        csv=report(
            "results/headpose_face.csv",
            caption="../report/headpose_face.rst",
            category="1 Tables",
            labels={"table": "Faces of the second source", "as": "raw CSV"},
        ),
        html=report(
            "results/headpose_face.html",
            caption="../report/headpose_face.rst",
            category="1 Tables",
            labels={"table": "Faces of the second source", "as": "page"},
        ),
        markdown="results/headpose_face.md",
        metadata="results/headpose_face.csv-metadata.json",
    log:
        f"results/{RUN}/logs/headpose_face.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        names={VARIANTS[0]: "SAiD"} | {method: method.removeprefix("headpose_") for method in FACE_METHODS},
        provenance=PROVENANCE,
        code=code("headpose_face.py"),
    message:
        "Making the table of faces of the second source"
    script:
        "../scripts/headpose_face.py"


HEADPOSE_FACES = expand("results/headpose_face.{kind}", kind=["csv", "md", "html"])


# Apart from `headpose`, as its five trainings take minutes each.
rule headpose_faces:
    input:
        HEADPOSE_FACES,
