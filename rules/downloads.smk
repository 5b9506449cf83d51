# Published files: downloaded once into downloads.folder, verified on each use, never deleted. Files put there by hand
# are used as they are. A job leaves a receipt under results/<run>/downloads: path, size, date, sha256 and address.
# Rules that use a file first compare it with its receipt. Receipts are `ancient` to them: as a file cannot change
# unnoticed, a new mirror or a new credentials file is no reason to recompute anything. The user's own files are inputs
# and may change. If the nodes have no network, run `snakemake downloads` on a machine that has one, then the rest.

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
            # Where the credentials are; they themselves go nowhere else.
            "login": PUBLISHED[w.file].get("login", False),
            "credentials": config["vocaset"]["credentials"],
        },
        limit=UNPACKED,
        code=code("download_published.py"),
    message:
        "Downloading {wildcards.file}, unless it is already here"
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
            # The script reads the credentials, from the environment or a file of mode 0600; they go nowhere else.
            archive=lambda w: VOCASET_ARCHIVES[w.archive],
            url=lambda w: config["vocaset"]["url"].replace("{file}", w.archive),
            path=lambda w: f"{VOCASET}/{w.archive}",
            credentials=config["vocaset"]["credentials"],
            limit=UNPACKED,
            code=code("download_vocaset.py"),
        message:
            "Downloading VOCASET's {wildcards.archive}, unless it is already here"
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
        receipts(*(name for name in PUBLISHED if config["dataset"] == "vocaset" or not PUBLISHED[name].get("login"))),
        VOCASET_RECEIPTS if config["dataset"] == "vocaset" else [],
