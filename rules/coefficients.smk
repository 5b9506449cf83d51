# BlendVOCA's coefficients: the quadratic programme of Eq. 2 for every sequence.


rule fit_coefficients:
    input:
        sequences="results/{run}/corpus/sequences/{speaker}",
        blendshapes="results/{run}/blendshapes/{speaker}.npz",
    output:
        coefficients=directory("results/{run}/coefficients/{speaker}"),
        quality="results/{run}/coefficients/quality/{speaker}.csv",
    params:
        max_step=config["coefficients"]["max_step"],
        solver=config["coefficients"]["solver"],
        code=code("fit_coefficients.py"),
    log:
        "results/{run}/logs/fit_coefficients/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/fit_coefficients/{speaker}.tsv"
    message:
        "Fitting the coefficients of {wildcards.speaker}"
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/fit_coefficients.py"


rule coefficient_std:
    input:
        expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
    output:
        "results/{run}/coefficients/std.csv",
    params:
        code=code("coefficient_std.py"),
    log:
        "results/{run}/logs/coefficient_std.log",
    benchmark:
        "results/{run}/benchmarks/coefficient_std.tsv"
    message:
        "Standard deviation of every coefficient over the training set"
    resources:
        mem_mb=1000,
        runtime=5,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/coefficient_std.py"
