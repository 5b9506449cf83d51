# What this run was and what it cost: made last, from the benchmarks that every job leaves.


rule record_run:
    input:
        rules.tables.input,
        EDIT_FILES,
        rules.figures.input,
    output:
        cost=report(
            "results/cost.csv", caption="../report/cost.rst", category="5 This run", labels={"what": "time and memory"}
        ),
        page=report(
            "results/run.html",
            caption="../report/run.rst",
            category="5 This run",
            labels={"what": "configuration, versions, cost"},
        ),
        metadata="results/cost.csv-metadata.json",
    log:
        f"results/{RUN}/logs/record_run.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        config=config,
        stages=lambda w: stages(),
        benchmarks=f"results/{RUN}/benchmarks",
        requirements=(BASE / "requirements.txt").read_text(),
        provenance=PROVENANCE,
        code=code("record_run.py"),
    message:
        "Recording configuration, versions and cost of this run"
    script:
        "../scripts/record_run.py"
