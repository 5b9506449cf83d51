# BlendVOCA's coefficients: the quadratic program of Eq. 2 for every sequence.


rule fit_coefficients:
    input:
        sequences="results/{run}/corpus/sequences/{speaker}",
        template="results/{run}/corpus/templates/{speaker}.ply",
        blendshapes="results/{run}/blendshapes/{speaker}.npz",
    output:
        coefficients=directory("results/{run}/coefficients/{speaker}"),
        residuals="results/{run}/coefficients/quality/{speaker}.npz",
        quality="results/{run}/coefficients/quality/{speaker}.csv",
    log:
        "results/{run}/logs/fit_coefficients/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/fit_coefficients/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        max_step=config["coefficients"]["max_step"],
        solver=config["coefficients"]["solver"],
        ridge=config["coefficients"]["ridge"],
        code=code("fit_coefficients.py"),
    message:
        "Fitting the coefficients of {wildcards.speaker}"
    script:
        "../scripts/fit_coefficients.py"


rule coefficient_std:
    input:
        expand("results/{{run}}/coefficients/{speaker}", speaker=SPLIT["train"]),
    output:
        "results/{run}/coefficients/std.csv",
    log:
        "results/{run}/logs/coefficient_std.log",
    benchmark:
        "results/{run}/benchmarks/coefficient_std.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code("coefficient_std.py"),
    message:
        "Computing the standard deviation of every coefficient over the training set"
    script:
        "../scripts/coefficient_std.py"


rule quality_sheet:
    input:
        residuals="results/{run}/coefficients/quality/{speaker}.npz",
        coefficients="results/{run}/coefficients/{speaker}",
        blendshapes="results/{run}/blendshapes/{speaker}.npz",
    output:
        "results/{run}/coefficients/quality/{speaker}.png",
    log:
        "results/{run}/logs/quality_sheet/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/quality_sheet/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        max_step=config["coefficients"]["max_step"],
        code=code("quality_sheet.py"),
    message:
        "Drawing how well the fit explains the frames of {wildcards.speaker}"
    script:
        "../scripts/quality_sheet.py"


rule quality_table:
    input:
        expand("results/{{run}}/coefficients/quality/{speaker}.csv", speaker=SPEAKERS),
    output:
        "results/{run}/coefficients/quality.csv",
    log:
        "results/{run}/logs/quality_table.log",
    benchmark:
        "results/{run}/benchmarks/quality_table.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        speakers=SPEAKERS,
        code=code("quality_table.py"),
    message:
        "Collecting how well the fit explains every sentence"
    script:
        "../scripts/quality_table.py"
