# Published files: fetched once into downloads.folder, verified on each use, never deleted. Files put there by hand are
# used as they are. What a job leaves under results/<run>/downloads is a receipt: path, size, date, sha256 and address.
# The rules that use a file compare it with its receipt first. Receipts are `ancient` to them: a file cannot change
# unnoticed, so another mirror or another file of credentials is no reason to compute anything again. The user's own
# files are inputs, and may change.
# Without network on the nodes: `snakemake downloads` where there is one, then everything else.

PUBLISHED = config["downloads"]["files"]
UNPACKED = int(config["vocaset"]["unpacked_gigabytes"] * 1e9)


rule download_published:
    output:
        "results/{run}/downloads/{file}.json",
    log:
        "results/{run}/logs/download_published/{file}.log",
    wildcard_constraints:
        file="|".join(re.escape(name) for name in PUBLISHED),
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        source=lambda w: {
            "url": config["downloads"]["sources"][PUBLISHED[w.file]["source"]] + PUBLISHED[w.file]["path"],
            "path": published(w.file),
            "sha256": PUBLISHED[w.file]["sha256"],
        },
        limit=UNPACKED,
        code=code("download_published.py"),
    message:
        "Fetching {wildcards.file}, unless it is here"
    script:
        "../scripts/download_published.py"


if config["dataset"] == "vocaset" and config["vocaset"]["path"] is None:
    VOCASET_ARCHIVES = {archive["name"]: archive for archive in config["vocaset"]["archives"]}
    VOCASET = f"{config['downloads']['folder']}/vocaset"
    VOCASET_RECEIPTS = ancient([f"results/{RUN}/downloads/vocaset/{name}.json" for name in VOCASET_ARCHIVES])

    rule download_vocaset:
        output:
            "results/{run}/downloads/vocaset/{archive}.json",
        log:
            "results/{run}/logs/download_vocaset/{archive}.log",
        localrule: True
        conda:
            "../envs/said.yaml"
        params:
            # Credentials are read by the script, from the environment or a file of mode 0600, and stay there.
            archive=lambda w: VOCASET_ARCHIVES[w.archive],
            url=lambda w: config["vocaset"]["url"].replace("{file}", w.archive),
            path=lambda w: f"{VOCASET}/{w.archive}",
            credentials=config["vocaset"]["credentials"],
            limit=UNPACKED,
            code=code("download_vocaset.py"),
        message:
            "Fetching VOCASET's {wildcards.archive}, unless it is here"
        script:
            "../scripts/download_vocaset.py"

elif config["dataset"] == "vocaset":

    VOCASET = config["vocaset"]["path"]
    VOCASET_RECEIPTS = [f"results/{RUN}/downloads/vocaset.json"]

    rule check_vocaset:
        input:
            own_release(Path(VOCASET)),
        output:
            "results/{run}/downloads/vocaset.json",
        log:
            "results/{run}/logs/check_vocaset.log",
        conda:
            "../envs/said.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(60),
        params:
            path=VOCASET,
            limit=UNPACKED,
            code=code("check_vocaset.py"),
        message:
            "Checking the archives of {params.path}"
        script:
            "../scripts/check_vocaset.py"


rule downloads:
    input:
        receipts(*PUBLISHED),
        VOCASET_RECEIPTS if config["dataset"] == "vocaset" else [],
