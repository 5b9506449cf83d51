# BlendVOCA's blendshapes (Section 4.1): clean-up of the templates, correspondence, deformation transfer.


rule find_regions:
    input:
        topology="results/{run}/corpus/topology.npz",
        template=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS[0]),
    output:
        "results/{run}/blendshapes/regions.npz",
    log:
        "results/{run}/logs/find_regions.log",
    benchmark:
        "results/{run}/benchmarks/find_regions.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        code=code("find_regions.py"),
    message:
        "Finding eyeballs, ears, back of the head and neck"
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
    log:
        "results/{run}/logs/find_correspondence/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/find_correspondence/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("find_correspondence.py"),
    message:
        "Deforming the source face onto {wildcards.speaker}"
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
    log:
        "results/{run}/logs/transfer_blendshapes/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/transfer_blendshapes/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("transfer_blendshapes.py"),
    message:
        "Transferring the 32 blendshapes to {wildcards.speaker}"
    script:
        "../scripts/transfer_blendshapes.py"


rule blendshape_residuals:
    input:
        "results/{run}/blendshapes/{speaker}.npz",
    output:
        "results/{run}/blendshapes/residuals/{speaker}.npz",
    log:
        "results/{run}/logs/blendshape_residuals/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/blendshape_residuals/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        code=code("blendshape_residuals.py"),
    message:
        "Writing the blendshapes of {wildcards.speaker} as offsets from the template"
    script:
        "../scripts/blendshape_residuals.py"


rule blendshape_health:
    input:
        source="results/{run}/source",
        topology="results/{run}/corpus/topology.npz",
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPEAKERS),
    output:
        "results/{run}/blendshapes/health.csv",
    log:
        "results/{run}/logs/blendshape_health.log",
    benchmark:
        "results/{run}/benchmarks/blendshape_health.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code("blendshape_health.py"),
    message:
        "Checking the blendshapes for inverted triangles, spikes and jaws that open too little"
    script:
        "../scripts/blendshape_health.py"


if config["dataset"] == "synthetic":

    rule blendshape_truth:
        input:
            blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPEAKERS),
            truth=expand("results/{{run}}/truth/faces/{speaker}.npz", speaker=SPEAKERS),
        output:
            "results/{run}/blendshapes/truth.csv",
        log:
            "results/{run}/logs/blendshape_truth.log",
        benchmark:
            "results/{run}/benchmarks/blendshape_truth.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(5),
        params:
            code=code("blendshape_truth.py"),
        message:
            "Comparing the transferred blendshapes with the true ones"
        script:
            "../scripts/blendshape_truth.py"


rule export_blendshapes:
    input:
        "results/{run}/blendshapes/{speaker}.npz",
    output:
        obj=directory("results/{run}/blendshapes/obj/{speaker}"),
        glb="results/{run}/blendshapes/glb/{speaker}.glb",
    log:
        "results/{run}/logs/export_blendshapes/{speaker}.log",
    benchmark:
        "results/{run}/benchmarks/export_blendshapes/{speaker}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code("export_blendshapes.py"),
    message:
        "Writing the blendshapes of {wildcards.speaker} as OBJ and glTF"
    script:
        "../scripts/export_blendshapes.py"
