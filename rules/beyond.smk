# What the paper does not report. It stands beside the tables, never in them.
BEYOND = ["lip_vertex_error_mm", "upper_face_dynamics_mm", "beat_consistency"]
BEYOND += ["av_offset", "av_confidence", "multimodality", "fd", "wind_mean"]
BEYOND_FROM = ["evaluation", "motion", "lipsync"]


rule measure_motion:
    input:
        topology="results/{run}/corpus/topology.npz",
        regions="results/{run}/blendshapes/regions.npz",
        templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPLIT["test"]),
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["test"]),
        sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["test"]),
        generated=expand("results/{{run}}/methods/{{method}}/{speaker}.npz", speaker=SPLIT["test"]),
    output:
        "results/{run}/motion/{method}.json",
    log:
        "results/{run}/logs/measure_motion/{method}.log",
    benchmark:
        "results/{run}/benchmarks/measure_motion/{method}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code("measure_motion.py"),
    message:
        "Measuring the meshes of {wildcards.method}"
    script:
        "../scripts/measure_motion.py"


rule table2_beyond:
    input:
        expand(
            "results/{run}/{kind}/{method}.json",
            run=RUN,
            kind=BEYOND_FROM,
            method=["ground_truth", *SEEDS],
        ),
    output:
        csv=report(
            "results/table2_beyond.csv",
            caption="../report/beyond.rst",
            category="1 Tables",
            labels={"table": "Beyond the paper", "as": "raw CSV"},
        ),
        html=report(
            "results/table2_beyond.html",
            caption="../report/beyond.rst",
            category="1 Tables",
            labels={"table": "Beyond the paper", "as": "page"},
        ),
        metadata="results/table2_beyond.csv-metadata.json",
    log:
        f"results/{RUN}/logs/table2_beyond.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        measures=BEYOND,
        trainings={variant: list(trainings) for variant, trainings in config["trainings"].items()},
        provenance=PROVENANCE,
        code=code("table2_beyond.py"),
    message:
        "Making the table of what the paper does not report"
    script:
        "../scripts/table2_beyond.py"


# The same for the methods of Table 1.
use rule table2_beyond as table1_beyond with:
    input:
        expand(
            "results/{run}/{kind}/{method}.json",
            run=RUN,
            kind=BEYOND_FROM,
            method=["ground_truth", *TABLE1],
        ),
    output:
        csv=report(
            "results/table1_beyond.csv",
            caption="../report/beyond.rst",
            category="1 Tables",
            labels={"table": "Table 1 beyond the paper", "as": "raw CSV"},
        ),
        html=report(
            "results/table1_beyond.html",
            caption="../report/beyond.rst",
            category="1 Tables",
            labels={"table": "Table 1 beyond the paper", "as": "page"},
        ),
        metadata="results/table1_beyond.csv-metadata.json",
    log:
        f"results/{RUN}/logs/table1_beyond.log",
    localrule: True
    params:
        measures=BEYOND,
        trainings={method: [method] for method in TABLE1},
        provenance=PROVENANCE,
        code=code("table2_beyond.py"),
    message:
        "Making the table of what the paper does not report of the methods of Table 1"
