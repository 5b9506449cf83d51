# AV offset and confidence (Section 10): SyncNet on films of the animated face, with the speech.
# The weights, trained or published, lie in results/<run>/lipsync/syncnet.safetensors. The file says where they came
# from, and so does every number computed with them.

HELD_OUT = SPLIT["validation"] + SPLIT["test"]

if config["lipsync"]["weights"] == "published":

    # The first of all jobs, so that a missing file does not come to light after days of training.
    rule published_syncnet:
        input:
            receipts=receipts(config["lipsync"]["published"]),
            own=own_files("lipsync", "published"),
        output:
            "results/{run}/lipsync/syncnet.safetensors",
        log:
            "results/{run}/logs/published_syncnet.log",
        benchmark:
            "results/{run}/benchmarks/published_syncnet.tsv"
        priority: 1
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(5),
        params:
            path=published(config["lipsync"]["published"]),
            code=code("published_syncnet.py"),
        message:
            "Reading SyncNet's published weights from {params.path}"
        script:
            "../scripts/published_syncnet.py"

else:

    rule train_syncnet:
        input:
            topology="results/{run}/corpus/topology.npz",
            blendshapes=expand(
                "results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["train"] + SPLIT["validation"]
            ),
            train=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
            train_sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["train"]),
            validation=expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["validation"]),
            validation_sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["validation"]),
        output:
            weights="results/{run}/lipsync/syncnet.safetensors",
            history="results/{run}/lipsync/history.jsonl",
        log:
            "results/{run}/logs/train_syncnet.log",
        benchmark:
            "results/{run}/benchmarks/train_syncnet.tsv"
        conda:
            "../envs/said.yaml"
        threads: config["compute"]["threads"]
        resources:
            mem_mb=growing(4000),
            runtime=240,
        params:
            settings={k: v for k, v in config["lipsync"].items() if k not in ("weights", "published", "samples")},
            device=config["compute"]["device"],
            checkpoint="results/{run}/lipsync/checkpoint.safetensors",
            events="results/{run}/lipsync/events.out.tfevents",
            seed=seed("lipsync"),
            code=code("train_syncnet.py"),
        message:
            "Training SyncNet on films of the training speakers"
        script:
            "../scripts/train_syncnet.py"


# Where a cluster has many cores, several jobs share the clips of a method.
SYNC_PARTS = config["compute"]["sync_parts"]
SYNC_PART = "parts/{method}_{part}" if SYNC_PARTS > 1 else "{method}"


rule measure_sync:
    input:
        weights="results/{run}/lipsync/syncnet.safetensors",
        topology="results/{run}/corpus/topology.npz",
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["test"]),
        generated=expand("results/{{run}}/methods/{{method}}/{speaker}.npz", speaker=SPLIT["test"]),
        sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["test"]),
    output:
        f"results/{{run}}/lipsync/{SYNC_PART}.json",
    log:
        f"results/{{run}}/logs/measure_sync/{SYNC_PART}.log",
    benchmark:
        f"results/{{run}}/benchmarks/measure_sync/{SYNC_PART}.tsv"
    wildcard_constraints:
        part="[0-9]+",
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=1440,
    params:
        samples=config["lipsync"]["samples"],
        part=lambda w: int(w.get("part", 0)),
        parts=SYNC_PARTS,
        finished=f"results/{{run}}/lipsync/{SYNC_PART}.unfinished",
        device=config["compute"]["device"],
        code=code("measure_sync.py"),
    message:
        "Measuring the lip-sync of {wildcards.method}"
    script:
        "../scripts/measure_sync.py"


if SYNC_PARTS > 1:

    rule join_sync:
        input:
            expand("results/{{run}}/lipsync/parts/{{method}}_{part}.json", part=range(SYNC_PARTS)),
        output:
            "results/{run}/lipsync/{method}.json",
        log:
            "results/{run}/logs/join_sync/{method}.log",
        benchmark:
            "results/{run}/benchmarks/join_sync/{method}.tsv"
        localrule: True
        conda:
            "../envs/said.yaml"
        params:
            code=code("join_sync.py"),
        message:
            "Putting together the lip-sync of {wildcards.method}"
        script:
            "../scripts/join_sync.py"


rule prove_sync:
    input:
        weights="results/{run}/lipsync/syncnet.safetensors",
        topology="results/{run}/corpus/topology.npz",
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=HELD_OUT),
        coefficients=expand("results/{{run}}/coefficients/{speaker}", speaker=HELD_OUT),
        sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=HELD_OUT),
    output:
        table="results/{run}/lipsync/proof.csv",
        figures=multiext("results/{run}/figures/lipsync", ".png", ".pdf"),
    log:
        "results/{run}/logs/prove_sync.log",
    benchmark:
        "results/{run}/benchmarks/prove_sync.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        device=config["compute"]["device"],
        provenance=PROVENANCE,
        code=code("prove_sync.py"),
    message:
        "Shifting the speech of held-out clips to check that the AV offset follows"
    script:
        "../scripts/prove_sync.py"
