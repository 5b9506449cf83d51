# The other methods of Table 1 (Section 12): trained on this corpus, or the authors' weights; then a sample of each test
# clip for each style that the method has. Rules know them by name alone; `said.baselines.registry` lists them.
BASELINES = config["baselines"]["methods"]
# What each is trained with, and asked with: its section without the choice of weights.
BASELINE_SETTINGS = {name: baseline_settings(config["baselines"][name]) for name in BASELINES}
AUTHORS = [name for name in BASELINES if config["baselines"][name].get("weights") == "published"]


rule train_baseline:
    input:
        topology="results/{run}/corpus/topology.npz",
        train=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
        train_sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["train"]),
        train_templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPLIT["train"]),
        validation=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["validation"]),
        validation_sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["validation"]),
        validation_templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPLIT["validation"]),
        std="results/{run}/coefficients/std.csv",
        encoder="results/{run}/speech_encoder",
        receipts=lambda w: receipts(*needed_files(w.baseline, trained=True).values()),
        own=lambda w: own_among(needed_files(w.baseline, trained=True)),
    output:
        weights="results/{run}/baselines/{baseline}/model.safetensors",
        history="results/{run}/baselines/{baseline}/history.jsonl",
    log:
        "results/{run}/logs/train_baseline/{baseline}.log",
    benchmark:
        "results/{run}/benchmarks/train_baseline/{baseline}.tsv"
    wildcard_constraints:
        baseline=one_of(name for name in BASELINES if name not in AUTHORS),
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(12000),
        runtime=2880,
    params:
        settings=lambda w: BASELINE_SETTINGS[w.baseline],
        device=config["compute"]["device"],
        precision=config["compute"]["precision"],
        checkpoint="results/{run}/baselines/{baseline}/checkpoint.safetensors",
        events="results/{run}/baselines/{baseline}/events.out.tfevents",
        seed=lambda w: seed("baseline", w.baseline),
        method=lambda w: module_code(f"training/{w.baseline}", f"baselines/methods/{w.baseline}"),
        code=code("train_baseline.py"),
    message:
        "Training {wildcards.baseline}, of Table 1's other methods"
    script:
        "../scripts/train_baseline.py"


# Before the long jobs, so that a missing file does not come to light after days of training.
rule published_baseline:
    input:
        topology="results/{run}/corpus/topology.npz",
        std="results/{run}/coefficients/std.csv",
        encoder="results/{run}/speech_encoder",
        receipts=lambda w: receipts(*needed_files(w.baseline).values()),
        own=lambda w: own_among(needed_files(w.baseline)),
    output:
        weights="results/{run}/baselines/{baseline}/model.safetensors",
    log:
        "results/{run}/logs/published_baseline/{baseline}.log",
    benchmark:
        "results/{run}/benchmarks/published_baseline/{baseline}.tsv"
    wildcard_constraints:
        baseline=one_of(AUTHORS),
    priority: 1
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        settings=lambda w: BASELINE_SETTINGS[w.baseline],
        paths=lambda w: [published(name) for name in needed_files(w.baseline).values()],
        method=lambda w: module_code(f"baselines/methods/{w.baseline}"),
        code=code("published_baseline.py"),
    message:
        "Reading the authors' weights of {wildcards.baseline}"
    script:
        "../scripts/published_baseline.py"


rule sample_baseline:
    input:
        weights="results/{run}/baselines/{baseline}/model.safetensors",
        encoder="results/{run}/speech_encoder",
        topology="results/{run}/corpus/topology.npz",
        std="results/{run}/coefficients/std.csv",
        templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPLIT["test"]),
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["test"]),
        speech=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["test"]),
    output:
        expand("results/{{run}}/methods/{{baseline}}/{speaker}.npz", speaker=SPLIT["test"]),
    log:
        "results/{run}/logs/sample_baseline/{baseline}.log",
    benchmark:
        "results/{run}/benchmarks/sample_baseline/{baseline}.tsv"
    wildcard_constraints:
        baseline=one_of(BASELINES),
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=720,
    params:
        settings=lambda w: BASELINE_SETTINGS[w.baseline],
        styles=lambda w: config["baselines"]["styles"] if w.baseline in WITH_STYLES else None,
        resampling=config["baselines"]["resampling"],
        solver=config["coefficients"],
        device=config["compute"]["device"],
        finished=lambda w: unfinished(w.run, w.baseline),
        seeds=[seed("sample", speaker) for speaker in SPLIT["test"]],
        method=lambda w: module_code(f"baselines/methods/{w.baseline}"),
        code=code("sample_baseline.py"),
    message:
        "Asking {wildcards.baseline} for every sentence of the test speakers"
    script:
        "../scripts/sample_baseline.py"


# On request (`evaluation.floors`): what a method is worth that hears nothing.
rule sample_floor:
    input:
        train=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
        speech="results/{run}/corpus/sequences/{speaker}",
    output:
        "results/{run}/methods/{floor}/{speaker}.npz",
    log:
        "results/{run}/logs/sample_floor/{floor}/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/sample_floor/{floor}/{speaker}.tsv"
    wildcard_constraints:
        floor="mean_motion|no_motion",
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code("sample_floor.py"),
    message:
        "Giving every sentence of {wildcards.speaker} the same motion: {wildcards.floor}"
    script:
        "../scripts/sample_floor.py"
