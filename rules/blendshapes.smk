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
        mem_mb=2000,
        runtime=5,
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
        mem_mb=2000,
        runtime=10,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/find_correspondence.py"


def correspondence(wildcards):
    shared = config["blendshapes"]["correspondence"] == "shared"
    speaker = SPEAKERS[0] if shared else wildcards.speaker
    return f"results/{wildcards.run}/blendshapes/correspondence/{speaker}.npz"


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
        mem_mb=2000,
        runtime=10,
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/transfer_blendshapes.py"
