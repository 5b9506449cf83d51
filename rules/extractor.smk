# The VAE whose latent mean is the feature of the metrics (Section 11).


rule train_extractor:
    input:
        train=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
        validation=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["validation"]),
        std="results/{run}/coefficients/std.csv",
    output:
        weights="results/{run}/extractor/vae.safetensors",
        history="results/{run}/extractor/history.jsonl",
    log:
        "results/{run}/logs/train_extractor.log",
    benchmark:
        "results/{run}/benchmarks/train_extractor.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=720,
    params:
        settings=config["extractor"],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/extractor/checkpoint.safetensors",
        events="results/{run}/extractor/events.out.tfevents",
        seed=seed("extractor"),
        code=code("train_extractor.py"),
    message:
        "Training the VAE feature extractor"
    script:
        "../scripts/train_extractor.py"


# On demand, for the authors' own evaluation.
rule export_extractor:
    input:
        "results/{run}/extractor/vae.safetensors",
    output:
        "results/{run}/export/vae.pth",
    log:
        "results/{run}/logs/export_extractor.log",
    benchmark:
        "results/{run}/benchmarks/export_extractor.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code("export_extractor.py"),
    message:
        "Writing the feature extractor in the authors' format"
    script:
        "../scripts/export_extractor.py"
