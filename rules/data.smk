# The corpus (Section 4.1): per speaker a template mesh, per sentence a wav and an array (N, V, 3) at 60 fps.
# Both datasets provide the same files under results/<run>, and later rules read nothing else:
#   corpus/topology.npz                       faces, landmarks (68,), head (the published vertices; may be empty)
#   corpus/templates/<speaker>.ply
#   corpus/sequences/<speaker>/<sentence>.wav and <sentence>.npy
#   source/Neutral.obj, <blendshape>.obj, landmarks.txt
# Only the synthetic dataset has results/<run>/truth, which only tests and evaluation read.

if config["dataset"] == "synthetic":

    rule synthetic_faces:
        output:
            topology="results/{run}/corpus/topology.npz",
            templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS),
            faces=expand("results/{{run}}/truth/faces/{speaker}.npz", speaker=SPEAKERS),
            source=directory("results/{run}/source"),
        log:
            "results/{run}/logs/synthetic_faces.log",
        benchmark:
            "results/{run}/benchmarks/synthetic_faces.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(10),
        params:
            speakers=SPEAKERS,
            seed=seed("faces"),
            code=code("synthetic_faces.py"),
        message:
            "Modelling {params.speakers} and the source face with its 52 expressions"
        script:
            "../scripts/synthetic_faces.py"

    # All speakers draw on one list of sentences, so that no two say the same: this is where each speaker's begin.
    FIRST_SENTENCE = {}
    SENTENCES = {}
    for role in settings.ROLES:
        for name in SPLIT[role]:
            FIRST_SENTENCE[name] = sum(SENTENCES.values())
            SENTENCES[name] = config["synthetic"]["sentences"][role]

    rule synthetic_sequences:
        input:
            face="results/{run}/truth/faces/{speaker}.npz",
        output:
            sequences=directory("results/{run}/corpus/sequences/{speaker}"),
            truth=directory("results/{run}/truth/sequences/{speaker}"),
        log:
            "results/{run}/logs/synthetic_sequences/{speaker}.log",
        benchmark:
            "results/{run}/benchmarks/synthetic_sequences/{speaker}.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(20),
        params:
            sentences=lambda w: SENTENCES[w.speaker],
            first=lambda w: FIRST_SENTENCE[w.speaker],
            voice=config["synthetic"]["voice"],
            index=lambda w: SPEAKERS.index(w.speaker),
            speakers=len(SPEAKERS),
            noise=config["synthetic"]["noise"],
            pauses=config["synthetic"]["pauses"],
            seed=seed("speech"),
            code=code("synthetic_sequences.py"),
        message:
            "Recording {params.sentences} sentences of {wildcards.speaker}"
        script:
            "../scripts/synthetic_sequences.py"

elif config["dataset"] == "vocaset":
    VOCASET_FILES = {
        key: config["vocaset"][key] for key in ("topology", "landmarks", "head", "arkit", "arkit_landmarks")
    }

    rule inspect_vocaset:
        input:
            receipts=[*VOCASET_RECEIPTS, *receipts(VOCASET_FILES["topology"])],
            own=own_files("vocaset", "topology"),
        output:
            "results/{run}/audit/{speaker}.json",
        log:
            "results/{run}/logs/inspect_vocaset/{speaker}.log",
        benchmark:
            "results/{run}/benchmarks/inspect_vocaset/{speaker}.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            path=VOCASET,
            topology=published(VOCASET_FILES["topology"]),
            sentences=config["vocaset"]["sentences"],
            tolerance=config["vocaset"]["length_tolerance"],
            limit=UNPACKED,
            code=code("inspect_vocaset.py"),
        message:
            "Inspecting the meshes and the speech of {wildcards.speaker}"
        script:
            "../scripts/inspect_vocaset.py"

    rule audit_vocaset:
        input:
            inspections=expand("results/{{run}}/audit/{speaker}.json", speaker=SPEAKERS),
        output:
            page=report("results/{run}/audit.html", caption="../report/audit.rst", category="Data"),
            findings="results/{run}/audit/findings.csv",
            sentences=expand("results/{{run}}/audit/sentences/{speaker}.json", speaker=SPEAKERS),
        log:
            "results/{run}/logs/audit_vocaset.log",
        localrule: True
        conda:
            "../envs/said.yaml"
        params:
            accept=config["vocaset"]["accept"],
            code=code("audit_vocaset.py"),
        message:
            "Judging the faults found in VOCASET"
        script:
            "../scripts/audit_vocaset.py"

    # A separate job, so that the audit's page is kept when this one fails.
    rule accept_vocaset:
        input:
            page="results/{run}/audit.html",
            findings="results/{run}/audit/findings.csv",
        output:
            "results/{run}/audit/accepted.txt",
        log:
            "results/{run}/logs/accept_vocaset.log",
        localrule: True
        conda:
            "../envs/said.yaml"
        params:
            code=code("accept_vocaset.py"),
        message:
            "Checking that every fault found by the audit is known or accepted"
        script:
            "../scripts/accept_vocaset.py"

    rule vocaset_faces:
        input:
            receipts=[*VOCASET_RECEIPTS, *receipts(*VOCASET_FILES.values())],
            own=own_files("vocaset", *VOCASET_FILES),
            accepted="results/{run}/audit/accepted.txt",
        output:
            topology="results/{run}/corpus/topology.npz",
            templates=expand("results/{{run}}/corpus/templates/{speaker}.ply", speaker=SPEAKERS),
            source=directory("results/{run}/source"),
        log:
            "results/{run}/logs/vocaset_faces.log",
        benchmark:
            "results/{run}/benchmarks/vocaset_faces.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(10),
        params:
            path=VOCASET,
            files={key: published(name) for key, name in VOCASET_FILES.items()},
            limit=UNPACKED,
            code=code("vocaset_faces.py"),
        message:
            "Reading VOCASET's templates and the ARKit face"
        script:
            "../scripts/vocaset_faces.py"

    rule vocaset_sequences:
        input:
            receipts=VOCASET_RECEIPTS,
            accepted="results/{run}/audit/accepted.txt",
            sentences="results/{run}/audit/sentences/{speaker}.json",
            topology="results/{run}/corpus/topology.npz",
        output:
            sequences=directory("results/{run}/corpus/sequences/{speaker}"),
        log:
            "results/{run}/logs/vocaset_sequences/{speaker}.log",
        benchmark:
            "results/{run}/benchmarks/vocaset_sequences/{speaker}.tsv"
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            path=VOCASET,
            sentences=config["vocaset"]["sentences"],
            limit=UNPACKED,
            code=code("vocaset_sequences.py"),
        message:
            "Reading the sequences of {wildcards.speaker}"
        script:
            "../scripts/vocaset_sequences.py"
