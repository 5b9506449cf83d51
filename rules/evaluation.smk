# Metrics and tables (Sections 5 and 10). A method is a name under results/<run>/methods/ that yields coefficients
# (samples, frames, 32) for every test clip; how it came by them is not known here.
FLOORS = config["evaluation"]["floors"]
TABLE1 = [*FLOORS, VARIANTS[0], *BASELINES]


rule ground_truth:
    input:
        "results/{run}/coefficients/{speaker}",
    output:
        "results/{run}/methods/ground_truth/{speaker}.npz",
    log:
        "results/{run}/logs/ground_truth/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/ground_truth/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code("ground_truth.py"),
    message:
        "Taking the coefficients of {wildcards.speaker} as the method ground_truth"
    script:
        "../scripts/ground_truth.py"


rule evaluate_method:
    input:
        extractor="results/{run}/extractor/vae.safetensors",
        real=expand("results/{{run}}/methods/ground_truth/{speaker}.npz", speaker=SPLIT["test"]),
        generated=expand("results/{{run}}/methods/{{method}}/{speaker}.npz", speaker=SPLIT["test"]),
    output:
        "results/{run}/evaluation/{method}.json",
    log:
        "results/{run}/logs/evaluate_method/{method}.log",
    benchmark:
        "results/{run}/benchmarks/evaluate_method/{method}.tsv"
    conda:
        "../envs/said.yaml"
    threads: config["compute"]["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        settings=evaluation_settings,
        device=config["compute"]["device"],
        seed=seed("evaluation"),
        code=code("evaluate_method.py"),
    message:
        "Measuring {wildcards.method}"
    script:
        "../scripts/evaluate_method.py"


rule table1:
    input:
        measurements=measured(["ground_truth", *TABLE1]),
        truth=measured(["ground_truth"]),
    output:
        csv=report(
            "results/table1.csv",
            caption="../report/table1.rst",
            category="1 Tables",
            labels={"table": "Table 1", "as": "raw CSV"},
        ),
        html=report(
            "results/table1.html",
            caption="../report/table1.rst",
            category="1 Tables",
            labels={"table": "Table 1", "as": "page"},
        ),
        markdown="results/table1.md",
        metadata="results/table1.csv-metadata.json",
    log:
        f"results/{RUN}/logs/table1.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        label="method",
        names={VARIANTS[0]: "SAiD"} | TITLES,
        rows=["ground_truth", *TABLE1],
        dataset=config["dataset"],
        provenance=PROVENANCE,
        code=code("make_table.py"),
    message:
        "Making Table 1"
    script:
        "../scripts/make_table.py"


rule table2:
    input:
        measurements=measured([*FLOORS, *VARIANTS]),
        truth=measured(["ground_truth"]),
    output:
        csv=report(
            "results/table2.csv",
            caption="../report/table2.rst",
            category="1 Tables",
            labels={"table": "Table 2", "as": "raw CSV"},
        ),
        html=report(
            "results/table2.html",
            caption="../report/table2.rst",
            category="1 Tables",
            labels={"table": "Table 2", "as": "page"},
        ),
        markdown="results/table2.md",
        metadata="results/table2.csv-metadata.json",
    log:
        f"results/{RUN}/logs/table2.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        label="variant",
        names={},
        rows=[*FLOORS, *VARIANTS],
        dataset=config["dataset"],
        provenance=PROVENANCE,
        code=code("make_table.py"),
    message:
        "Making Table 2"
    script:
        "../scripts/make_table.py"


TABLES = [
    *expand("results/table{number}.{kind}", number=[1, 2], kind=["csv", "md", "html"]),
    *expand("results/table{number}_beyond.csv", number=[1, 2]),
]

if config["dataset"] == "synthetic":
    TABLES += expand("results/table{number}_truth.csv", number=[1, 2])

    # What no measured corpus has: the generator itself, asked for other takes of the test sentences. No model of
    # the speech can do better, so its scores are the floor of the table.
    rule sample_oracle:
        input:
            truth="results/{run}/truth/sequences/{speaker}",
            face="results/{run}/truth/faces/{speaker}.npz",
            blendshapes="results/{run}/blendshapes/{speaker}.npz",
        output:
            "results/{run}/methods/oracle/{speaker}.npz",
        log:
            "results/{run}/logs/sample_oracle/{speaker}.log",
        benchmark:
            "results/{run}/benchmarks/sample_oracle/{speaker}.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            samples=config["sampling"]["samples"],
            noise=config["synthetic"]["noise"],
            max_step=config["coefficients"]["max_step"],
            solver=config["coefficients"]["solver"],
            index=lambda w: SPEAKERS.index(w.speaker),
            speakers=len(SPEAKERS),
            seed=seed("speech"),
            code=code("sample_oracle.py"),
        message:
            "Recording {params.samples} other takes of every sentence of {wildcards.speaker}: the method oracle"
        script:
            "../scripts/sample_oracle.py"

    rule table2_truth:
        input:
            evaluations=expand("results/{run}/evaluation/{method}.json", run=RUN, method=[*VARIANTS, "oracle"]),
            generated=expand(
                "results/{run}/methods/{method}/{speaker}.npz",
                run=RUN,
                method=[*VARIANTS, "oracle"],
                speaker=SPLIT["test"],
            ),
            truth=expand("results/{run}/truth/sequences/{speaker}", run=RUN, speaker=SPLIT["test"]),
        output:
            csv=report(
                "results/table2_truth.csv",
                caption="../report/truth.rst",
                category="1 Tables",
                labels={"table": "Against the truth", "as": "raw CSV"},
            ),
            html=report(
                "results/table2_truth.html",
                caption="../report/truth.rst",
                category="1 Tables",
                labels={"table": "Against the truth", "as": "page"},
            ),
            metadata="results/table2_truth.csv-metadata.json",
        log:
            f"results/{RUN}/logs/table2_truth.log",
        localrule: True
        conda:
            "../envs/said.yaml"
        params:
            methods=[*VARIANTS, "oracle"],
            provenance=PROVENANCE,
            code=code("table2_truth.py"),
        message:
            "Correlating every variant with the synthetic truth"
        script:
            "../scripts/table2_truth.py"

    # The same for the methods of Table 1.
    use rule table2_truth as table1_truth with:
        input:
            evaluations=expand("results/{run}/evaluation/{method}.json", run=RUN, method=[*TABLE1, "oracle"]),
            generated=expand(
                "results/{run}/methods/{method}/{speaker}.npz",
                run=RUN,
                method=[*TABLE1, "oracle"],
                speaker=SPLIT["test"],
            ),
            truth=expand("results/{run}/truth/sequences/{speaker}", run=RUN, speaker=SPLIT["test"]),
        output:
            csv=report(
                "results/table1_truth.csv",
                caption="../report/truth.rst",
                category="1 Tables",
                labels={"table": "Table 1 against the truth", "as": "raw CSV"},
            ),
            html=report(
                "results/table1_truth.html",
                caption="../report/truth.rst",
                category="1 Tables",
                labels={"table": "Table 1 against the truth", "as": "page"},
            ),
            metadata="results/table1_truth.csv-metadata.json",
        log:
            f"results/{RUN}/logs/table1_truth.log",
        localrule: True
        params:
            methods=[*TABLE1, "oracle"],
            provenance=PROVENANCE,
            code=code("table2_truth.py"),
        message:
            "Correlating every method of Table 1 with the synthetic truth"


rule tables:
    input:
        TABLES,
