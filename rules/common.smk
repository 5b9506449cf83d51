# The functions that rules use: seeds, digests, resources, and which files an input is. Names in capitals are the Snakefile's
# or those of the rule files that come after this one.
import hashlib
import json


def seed(*names):
    """A seed of its own for each purpose, derived from the configured one."""
    return seeds.derive_seed(config["seed"], *names)


def code(script):
    """Digest of a script and the library modules it imports: a rule's parameter, so that edits rerun it.

    It is asked for when there is a job: a cluster's jobs, which read all of this again, have no time for the others.
    """
    return lambda wildcards: digest.code(BASE / "scripts" / script, BASE / "scripts")


def growing(amount):
    """A resource of which each further attempt gets more than the one before, which may have failed for want of it."""
    return lambda wildcards, attempt: amount * attempt


def published(name):
    """Where a published file lies; a name that is none of downloads.files is a path of the user's own."""
    return f"{config['downloads']['folder']}/{name}" if name in PUBLISHED else name


def receipts(*names):
    """Receipts of those of the names that are published files: what a rule that reads them waits for."""
    return ancient([f"results/{RUN}/downloads/{name}.json" for name in names if name in PUBLISHED])


def own_files(section, *keys):
    """Those of the configured files that are the user's own; of a folder, the meshes in it."""
    found = []
    for key in keys:
        name = config[section][key]
        if name not in PUBLISHED:
            path = Path(name)
            if not path.exists():
                raise WorkflowError(
                    f"{section}.{key}: {name} is not there (paths begin where snakemake is run), and no name in "
                    f"downloads.files{nearest(name, PUBLISHED)}"
                )
            found += sorted(path.rglob("*.obj")) if path.is_dir() else [path]
    return found


def own_release(path):
    """The large files of the user's own copy; if its meshes are unpacked, nobody watches those 180 000."""
    if path.is_file():
        return [path]
    return sorted(file for kind in ("*.zip", "*.npy", "*.pkl", "trainingdata/*") for file in path.glob(kind))


def correspondence(wildcards):
    shared = config["blendshapes"]["correspondence"] == "shared"
    speaker = SPEAKERS[0] if shared else wildcards.speaker
    return f"results/{wildcards.run}/blendshapes/correspondence/{speaker}.npz"


def displaced(wildcards):
    """The faces that the vertex loss, and nothing else, looks at."""
    if not config["variants"][wildcards.variant]["vertex_weight"]:
        return []
    speakers = SPLIT["train"] + SPLIT["validation"]
    return expand("results/{run}/blendshapes/{speaker}.npz", run=wildcards.run, speaker=speakers)


def edit_files(wildcards):
    return entries.files(EDITS[wildcards.edit], f"results/{RUN}", TESTS)


def edit_variant(wildcards):
    return EDITS[wildcards.edit].get("variant", VARIANTS[0])


def edit_speaker(wildcards):
    return entries.find_speaker(EDITS[wildcards.edit], TESTS)


def evaluation_settings(wildcards):
    """The section `evaluation`; one sample per speaker style is paired with every other (Section 12)."""
    chosen = dict(config["evaluation"])
    if wildcards.method in chosen.pop("style_methods"):
        chosen["multimodality"] = "combinations"
    return chosen


def measured(methods):
    """All that was measured of these methods, for `make_table.py` to join."""
    return expand("results/{run}/{kind}/{method}.json", run=RUN, kind=["evaluation", "lipsync"], method=methods)


def figure_labels(wildcards):
    """What the report calls a file: the figure, and how it comes; the first in the alphabet is shown first."""
    name, suffix = wildcards.figure.rsplit(".", 1)
    return {"figure": name, "as": {"png": "image", "pdf": "print (PDF)", "mp4": "video"}[suffix]}


def stages():
    """The rules of each file under rules/, in the workflow's order."""
    found = {}
    for made in workflow.rules:
        found.setdefault(Path(str(made.snakefile)).stem, []).append(made.name)
    return found


def written():
    """Digest of all that results follow from: configuration and code."""
    codes = [digest.code(script, BASE / "scripts") for script in sorted((BASE / "scripts").glob("*.py"))]
    return hashlib.sha256(json.dumps([config, codes], sort_keys=True).encode()).hexdigest()


def let_edits_fail(scheduler):
    """Let the run go on when a job of `edits` or `animate` fails: no table waits for a user's recording.

    It is Snakemake's --keep-going for these jobs alone; another failure ends the run as ever.
    """
    handle_error, keep_going = scheduler._handle_error, scheduler.keepgoing

    def handle(job, *arguments, **settings):
        handle_error(job, *arguments, **settings)
        failed = [one for group in scheduler.failed for one in getattr(group, "jobs", [group])]
        scheduler.keepgoing = keep_going or all(Path(str(one.rule.snakefile)).stem in ("editing", "animation") for one in failed)

    scheduler._handle_error = handle


def record_unseen(killed_with):
    """Have Snakemake know how those results were made that Slurm's jobs finished after their run was killed.

    It knows no settings of theirs, and would not make them again after an edit.

    Args:
        killed_with: what the run before, if it was killed, had `written`.
    """
    unseen = [
        job
        for job in workflow.dag.jobs
        if job.output and not workflow.dag.needrun(job) and not workflow.persistence.has_metadata(job)
    ]
    if killed_with == written():
        for job in unseen:
            workflow.async_run(workflow.persistence.finished(job))
    elif killed_with and unseen:
        outputs = ", ".join(str(output) for job in unseen for output in job.output)
        logger.warning(
            "A run that was killed made these, and settings or code were edited since. Whether they depend on the "
            f"edit is not known; remove them if they do: {outputs}"
        )
