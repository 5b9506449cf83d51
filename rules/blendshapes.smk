# BlendVOCA's blendshapes (Section 4.1): clean-up of the templates, correspondence, deformation transfer.


rule find_regions:
    input:
        topology="results/{run}/corpus/topology.npz",
        template=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS[0]),
    output:
        "results/{run}/blendshapes/regions.npz",
    params:
        code=code("find_regions.py"),
    log:
        "results/{run}/logs/find_regions.log",
    benchmark:
        "results/{run}/benchmarks/find_regions.tsv"
    message:
        "Finding eyeballs, ears, back of the head and neck"
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/find_regions.py"


rule find_correspondence:
    input:
        source="results/{run}/source",
        topology="results/{run}/corpus/topology.npz",
        template="results/{run}/corpus/templates/{speaker}.ply",
        regions="results/{run}/blendshapes/regions.npz",
    output:
        "results/{run}/blendshapes/correspondence/{speaker}.npz",
    params:
        code=code("find_correspondence.py"),
    log:
        "results/{run}/logs/find_correspondence/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/find_correspondence/{speaker}.tsv"
    message:
        "Deforming the source face onto {wildcards.speaker}"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/find_correspondence.py"


rule transfer_blendshapes:
    input:
        source="results/{run}/source",
        template="results/{run}/corpus/templates/{speaker}.ply",
        regions="results/{run}/blendshapes/regions.npz",
        correspondence=correspondence,
    output:
        "results/{run}/blendshapes/{speaker}.npz",
    params:
        code=code("transfer_blendshapes.py"),
    log:
        "results/{run}/logs/transfer_blendshapes/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/transfer_blendshapes/{speaker}.tsv"
    message:
        "Transferring the 32 blendshapes to {wildcards.speaker}"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/transfer_blendshapes.py"


rule blendshape_residuals:
    input:
        "results/{run}/blendshapes/{speaker}.npz",
    output:
        "results/{run}/blendshapes/residuals/{speaker}.npz",
    params:
        code=code("blendshape_residuals.py"),
    log:
        "results/{run}/logs/blendshape_residuals/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/blendshape_residuals/{speaker}.tsv"
    message:
        "Writing what each blendshape of {wildcards.speaker} adds to the template"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/blendshape_residuals.py"


rule blendshape_health:
    input:
        source="results/{run}/source",
        topology="results/{run}/corpus/topology.npz",
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPEAKERS),
    output:
        "results/{run}/blendshapes/health.csv",
    params:
        code=code("blendshape_health.py"),
    log:
        "results/{run}/logs/blendshape_health.log",
    benchmark:
        "results/{run}/benchmarks/blendshape_health.tsv"
    message:
        "Checking the blendshapes for inverted triangles, spikes and jaws that open too little"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/blendshape_health.py"


if config["dataset"] == "synthetic":

    rule blendshape_truth:
        input:
            blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPEAKERS),
            truth=expand("results/{{run}}/truth/faces/{speaker}.npz", speaker=SPEAKERS),
        output:
            "results/{run}/blendshapes/truth.csv",
        params:
            code=code("blendshape_truth.py"),
        log:
            "results/{run}/logs/blendshape_truth.log",
        benchmark:
            "results/{run}/benchmarks/blendshape_truth.tsv"
        message:
            "Comparing the transferred blendshapes with the true ones"
        resources:
            mem_mb=growing(1000),
            runtime=growing(5),
        conda:
            "../envs/said.yaml"
        script:
            "../scripts/blendshape_truth.py"


rule export_blendshapes:
    input:
        "results/{run}/blendshapes/{speaker}.npz",
    output:
        obj=directory("results/{run}/blendshapes/obj/{speaker}"),
        glb="results/{run}/blendshapes/glb/{speaker}.glb",
    params:
        code=code("export_blendshapes.py"),
    log:
        "results/{run}/logs/export_blendshapes/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/export_blendshapes/{speaker}.tsv"
    message:
        "Writing the blendshapes of {wildcards.speaker} as OBJ and glTF"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/export_blendshapes.py"
