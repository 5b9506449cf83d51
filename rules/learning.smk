# How well trainings learn, on demand: what they denoise and what their previews are like, for the rows of `learning`.


rule learning_table:
    input:
        expand("results/{{run}}/said/{training}/history.jsonl", training=LEARNING),
    output:
        table="results/{run}/learning.csv",
        figures=multiext("results/{run}/figures/learning", ".png", ".pdf"),
    log:
        "results/{run}/logs/learning_table.log",
    benchmark:
        "results/{run}/benchmarks/learning_table.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        trainings=[name.removeprefix("learning_") for name in LEARNING],
        provenance=PROVENANCE,
        code=code("learning_table.py"),
    message:
        "Comparing how {params.trainings} learn"
    script:
        "../scripts/learning_table.py"


rule learning:
    input:
        expand("results/{run}/learning.csv", run=RUN),
        expand("results/{run}/figures/learning.{format}", run=RUN, format=["png", "pdf"]),
