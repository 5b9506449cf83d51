# SAiD (Section 4.2): speech encoder, training of each variant, samples of each test clip.


rule speech_encoder:
    output:
        encoder=directory("results/{run}/speech_encoder"),
    log:
        "results/{run}/logs/speech_encoder.log",
    benchmark:
        "results/{run}/benchmarks/speech_encoder.tsv"
    # A published encoder is downloaded, and only the machine that runs Snakemake may have a network.
    localrule: config["speech_encoder"]["source"] == "pretrained"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=config["speech_encoder"],
        pauses=config["synthetic"]["pauses"],
        device=config["compute"]["device"],
        seed=seed("speech encoder"),
        code=code("speech_encoder.py"),
    message:
        "Preparing the wav2vec 2.0 speech encoder: {params.settings[source]}"
    script:
        "../scripts/speech_encoder.py"


rule train_said:
    input:
        train=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
        validation=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["validation"]),
        train_speech=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["train"]),
        validation_speech=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["validation"]),
        std="results/{run}/coefficients/std.csv",
        encoder="results/{run}/speech_encoder",
        topology="results/{run}/corpus/topology.npz",
        blendshapes=faces_in_training,
    output:
        weights="results/{run}/said/{variant}/model.safetensors",
        history="results/{run}/said/{variant}/history.jsonl",
    log:
        "results/{run}/logs/train_said/{variant}.log",
    benchmark:
        "results/{run}/benchmarks/train_said/{variant}.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000 + config["compute"]["window_cache_mb"]),
        # A resource, because it changes only the speed: another value reruns nothing.
        window_cache_mb=config["compute"]["window_cache_mb"],
        runtime=2880,
    params:
        settings=lambda w: SETTINGS[w.variant],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        compile=config["compute"]["compile"],
        checkpoint="results/{run}/said/{variant}/checkpoint.safetensors",
        events="results/{run}/said/{variant}/events.out.tfevents",
        # The same for every variant: an ablation differs from base only in its block.
        seed=lambda w: seeds.training_seed(config["seed"], (SEEDS | LEARNING)[w.variant]),
        observation=lambda w: observation_code(w.variant),
        code=code("train_said.py"),
    message:
        "Training SAiD, variant {wildcards.variant}"
    script:
        "../scripts/train_said.py"


rule sample_said:
    input:
        weights="results/{run}/said/{variant}/model.safetensors",
        encoder="results/{run}/speech_encoder",
        speech=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["test"]),
    output:
        expand("results/{{run}}/methods/{{variant}}/{speaker}.npz", speaker=SPLIT["test"]),
    log:
        "results/{run}/logs/sample_said/{variant}.log",
    benchmark:
        "results/{run}/benchmarks/sample_said/{variant}.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=720,
    params:
        settings=config["sampling"],
        device=config["compute"]["device"],
        finished=lambda w: unfinished(w.run, w.variant),
        # The same noise for every variant, as in the paper's figure 9.
        seeds=[seed("sample", speaker) for speaker in SPLIT["test"]],
        code=code("sample_said.py"),
    message:
        "Sampling {params.settings[samples]} sequences per sentence of the test speakers from {wildcards.variant}"
    script:
        "../scripts/sample_said.py"


# On demand: a model for the authors' own programs, `snakemake results/<run>/export/base/SAiD.pth`.
rule export_said:
    input:
        weights="results/{run}/said/{variant}/model.safetensors",
        encoder="results/{run}/speech_encoder",
    output:
        "results/{run}/export/{variant}/SAiD.pth",
    log:
        "results/{run}/logs/export_said/{variant}.log",
    benchmark:
        "results/{run}/benchmarks/export_said/{variant}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(5),
    params:
        code=code("export_said.py"),
    message:
        "Writing {wildcards.variant} in the authors' format"
    script:
        "../scripts/export_said.py"


# On demand: a model as one file, with its speech encoder, and the settings that made it; `make model` ships one.
rule bundle_said:
    input:
        weights="results/{run}/said/{variant}/model.safetensors",
        encoder="results/{run}/speech_encoder",
    output:
        weights="results/{run}/export/{variant}/model.safetensors",
        settings="results/{run}/export/{variant}/settings.json",
    log:
        "results/{run}/logs/bundle_said/{variant}.log",
    benchmark:
        "results/{run}/benchmarks/bundle_said/{variant}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(5),
    params:
        settings=lambda w: PROVENANCE
        | {key: config[key] for key in ("synthetic", "speech_encoder")}
        | {"said": config["variants"][w.variant]},
        code=code("bundle_said.py"),
    message:
        "Putting {wildcards.variant} and its speech encoder into one file"
    script:
        "../scripts/bundle_said.py"
