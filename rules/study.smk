# The user study (Section 3.1 of the second source), on demand: films, the page, the analysis of what comes back.
STUDY = config["study"]
STUDY_NUMBERS = {"part1": STUDY["part1"]["sentences"], "part2": STUDY["part2"]["clips"]}
# Faces that the second source's rules make.
FACES_OF_HEADS = [f"headpose_{name}" for name in config["headpose"].get("face_variants", {})]
STUDY_FOLDERS = {part: study_folders(part) for part in STUDY_NUMBERS}
STUDY_ANSWERS = sorted(
    str(path) for path in Path(STUDY["answers"]).glob("*") if path.suffix in (".json", ".csv") and path.is_file()
)


rule study_faces:
    input:
        blendshapes=expand("results/{{run}}/blendshapes/{speaker}.npz", speaker=SPLIT["test"]),
        generated=expand("results/{{run}}/methods/{{method}}/{speaker}.npz", speaker=SPLIT["test"]),
        sequences=expand("results/{{run}}/corpus/sequences/{speaker}", speaker=SPLIT["test"]),
    output:
        directory("results/{run}/study/part1/{method}"),
    log:
        "results/{run}/logs/study_faces/{method}.log",
    benchmark:
        "results/{run}/benchmarks/study_faces/{method}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        sentences=STUDY_NUMBERS["part1"],
        size=STUDY["size"],
        code=code("study_faces.py"),
    message:
        "Filming {wildcards.method} for part 1 of the user study"
    script:
        "../scripts/study_faces.py"


rule study_heads:
    input:
        blendshapes=f"results/{{run}}/blendshapes/{SHOWN}.npz",
        topology="results/{run}/corpus/topology.npz",
        clips="results/{run}/headpose/clips",
        faces="results/{run}/headpose/faces.npz",
        poses="results/{run}/headpose/poses/{method}.npz",
    output:
        directory("results/{run}/study/part2/{method}"),
    log:
        "results/{run}/logs/study_heads/{method}.log",
    benchmark:
        "results/{run}/benchmarks/study_heads/{method}.tsv"
    conda:
        "../envs/said.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        clips=STUDY_NUMBERS["part2"],
        size=STUDY["size"],
        code=code("study_heads.py"),
    message:
        "Filming {wildcards.method} for part 2 of the user study"
    script:
        "../scripts/study_heads.py"


# What participants get is the page alone, with videos/ if that is not empty; the key stays here.
rule study_form:
    input:
        study_films,
    output:
        page="results/study/index.html",
        videos=directory("results/study/videos"),
        key=f"results/{RUN}/study/key.json",
    log:
        f"results/{RUN}/logs/study_form.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        folders=STUDY_FOLDERS,
        numbers=STUDY_NUMBERS,
        settings={key: STUDY[key] for key in ("title", "consent", "order", "post_url")},
        seed=seed("study"),
        page=digest_of("study/study.html", "study/study.css", "study/study.js", "study/study.orders.js"),
        code=code("study_form.py"),
    message:
        "Making the page of the user study"
    script:
        "../scripts/study_form.py"


rule study_analysis:
    input:
        key=rules.study_form.output.key,
        answers=STUDY_ANSWERS,
    output:
        table="results/study/analysis.csv",
        metadata="results/study/analysis.csv-metadata.json",
        page="results/study/analysis.html",
    log:
        f"results/{RUN}/logs/study_analysis.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        provenance=PROVENANCE,
        code=code("study_analysis.py"),
    message:
        "Analysing the answers to the user study"
    script:
        "../scripts/study_analysis.py"


# Nobody gave these answers: every file, and the page, says so.
rule study_simulation:
    input:
        key=rules.study_form.output.key,
    output:
        answers=directory(f"results/{RUN}/study/SIMULATED_answers"),
        table=f"results/{RUN}/study/SIMULATED_analysis.csv",
        page=f"results/{RUN}/study/SIMULATED_analysis.html",
        proof=f"results/{RUN}/study/SIMULATED_proof.json",
    log:
        f"results/{RUN}/logs/study_simulation.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        participants=STUDY["simulation"]["participants"],
        draws=STUDY["simulation"]["draws"],
        seed=seed("study_simulation"),
        provenance=PROVENANCE,
        code=code("study_simulation.py"),
    message:
        "Simulating participants of the user study, to prove its analysis"
    script:
        "../scripts/study_simulation.py"


rule study:
    input:
        rules.study_form.output,
        rules.study_simulation.output,
        rules.study_analysis.output if STUDY_ANSWERS else [],
