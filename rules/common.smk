# Functions for rules: seeds, digests, resources, input files. Names in capitals come from the Snakefile or from rule
# files included after this one.
import hashlib
import json


def seed(*names):
    """A separate seed for each purpose, derived from the configured one."""
    return seeds.derive_seed(config["seed"], *names)


def code(script):
    """Digest of a script and of the library code it uses: a parameter of its rule, so that an edit reruns the rule.

    It is computed only for the jobs at hand: each job of a cluster parses these files anew, and needs its own alone.
    """
    return lambda wildcards: remembered.code(BASE / "scripts" / script, BASE / "scripts")


def pose_variants():
    """Variants of the pose generator that are rows of the table of head poses."""
    section = config["headpose"]
    chosen = section["measures"]["variants"]
    return list(section["variants"]) if chosen is None else chosen


def growing(amount):
    """A resource that grows with each attempt, as the last one may have failed for lack of it."""
    return lambda wildcards, attempt: amount * attempt


def published(name):
    """Path of a published file; a name that is not in downloads.files is a path of the user's own."""
    return f"{config['downloads']['folder']}/{name}" if name in PUBLISHED else name


def receipts(*names):
    """Receipts of the published files among these names: a rule that reads the files waits for them."""
    return ancient([f"results/{RUN}/downloads/{name}.json" for name in names if name in PUBLISHED])


def own_files(section, *keys):
    """The configured files that are the user's own; for a folder, the meshes in it."""
    return own_among({f"{section}.{key}": config[section][key] for key in keys})


def own_among(files):
    """Of files by the place in the configuration that names them, the user's own; for a folder, what is read of it."""
    own = []
    for place, name in files.items():
        if name not in PUBLISHED:
            path = Path(name)
            if not path.exists():
                raise WorkflowError(
                    f"{place}: {name} is not there (paths begin where snakemake is run), and no name in "
                    f"downloads.files{nearest(name, PUBLISHED)}"
                )
            kinds = ("*.obj", "*.index", "*.data-00000-of-00001")
            own += sorted(file for kind in kinds for file in path.rglob(kind)) if path.is_dir() else [path]
    return own


def own_release(path):
    """The large files of the user's own copy; unpacked meshes, 180 000 of them, are not watched."""
    if path.is_file():
        return [path]
    return sorted(file for kind in ("*.zip", "*.npy", "*.pkl", "trainingdata/*") for file in path.glob(kind))


def correspondence(wildcards):
    """The speaker's own correspondence, or the first speaker's where all share one."""
    shared = config["blendshapes"]["correspondence"] == "shared"
    speaker = SPEAKERS[0] if shared else wildcards.speaker
    return f"results/{wildcards.run}/blendshapes/correspondence/{speaker}.npz"


def unfinished(run, method):
    """Where sampling a method keeps the sentences of each test speaker until it has them all."""
    return expand("results/{run}/methods/{method}/{speaker}.unfinished", run=run, method=method, speaker=SPLIT["test"])


def faces_in_training(wildcards):
    """The blendshapes that a variant's training needs: for the vertex loss all, for previews the validation speakers'."""
    settings = SETTINGS[wildcards.variant]
    speakers = SPLIT["train"] * bool(settings["vertex_weight"])
    speakers += SPLIT["validation"] * bool(settings["vertex_weight"] or settings["preview_every"])
    return expand("results/{run}/blendshapes/{speaker}.npz", run=wildcards.run, speaker=speakers)


def edit_files(wildcards):
    return entries.files(EDITS[wildcards.edit], f"results/{RUN}", TESTS)


def edit_variant(wildcards):
    return EDITS[wildcards.edit].get("variant", VARIANTS[0])


def edit_speaker(wildcards):
    return entries.find_speaker(EDITS[wildcards.edit], TESTS)


def evaluation_settings(wildcards):
    """The section `evaluation`; one sample per speaker style is paired with every other (Section 12).

    Where a method has a single sample, its only pair is with itself: 0.
    """
    chosen = {key: value for key, value in config["evaluation"].items() if key not in ("style_methods", "floors")}
    if wildcards.method in [*config["evaluation"]["style_methods"], *BASELINES, *FLOORS, *FACE_METHODS]:
        chosen["multimodality"] = "combinations"
    return chosen


def baseline_settings(section):
    """A method's section of `baselines` without the choice of its weights; published files by their paths."""
    chosen = {key: value for key, value in section.items() if key not in ("weights", "published")}
    return chosen | ({"deepspeech": published(section["deepspeech"])} if "deepspeech" in section else {})


def needed_files(baseline, trained=False):
    """Published files that a method needs, by the place that names them: its weights, and what it hears through."""
    section = config["baselines"][baseline]
    names = {} if trained else section["published"]
    files = {f"baselines.{baseline}.published.{key}": name for key, name in names.items()}
    if "deepspeech" in section and (not trained or section["hearing"] == "deepspeech"):
        files[f"baselines.{baseline}.deepspeech"] = section["deepspeech"]
    return files


def module_code(*modules):
    """Digest of modules that a script finds by name, and of all that they use."""
    return [remembered.code(BASE / f"scripts/said/{module}.py", BASE / "scripts") for module in modules]


def observation_code(variant):
    """Digest of what is measured while a variant is trained, where that decides more than its history."""
    decides = SETTINGS[variant]["selection"] == "sample_fd" or variant in LEARNING
    return module_code("training/observation") if decides else []


def recordings_of_heads(folder):
    """Poses and sounds of the user's own recordings of heads."""
    kinds = ("*.npz", "*.wav", "*.m4a")
    found = sorted(path for kind in kinds for path in Path(folder).glob(f"*/*/{kind}"))
    if not found:
        raise WorkflowError(
            f"headpose.clips.path: {folder} holds no recording (paths begin where snakemake is run); it needs "
            "<speaker>/<video>/<utterance>.npz, with the sound of each beside it"
        )
    return found


def one_of(names):
    """A wildcard's constraint: one of these names."""
    return "|".join(names) or "none"


def measured(methods):
    """All that was measured of these methods, for `make_table.py` to join."""
    return expand("results/{run}/{kind}/{method}.json", run=RUN, kind=["evaluation", "lipsync"], method=methods)


def animation_model():
    """The model that animates recordings."""
    try:
        return animated.find_model(ANIMATE["model"], published("SAiD.pth"), RUN_MODELS)
    except ValueError as error:
        raise WorkflowError(f"animate.{error}") from None


def model_files(wildcards):
    """Files of the model: those of a variant are made by this run, the authors' are fetched."""
    found = animation_model()
    if found.name == animated.PUBLISHED:
        return {"receipts": receipts("SAiD.pth")}
    return {"weights": str(found.weights)} | ({"encoder": str(found.encoder)} if found.encoder else {})


def head_files():
    """Files of the models that move the head; those of this run are made by it."""
    try:
        found = animated.find_head(ANIMATE["head_pose"], animated.run_head(f"results/{RUN}"))
    except ValueError as error:
        raise WorkflowError(f"animate.head_pose: {error}") from None
    return [str(path) for path in found.all] if found else []


def animations(wildcards):
    """Folders of all recordings' animations."""
    if not RECORDINGS:
        raise WorkflowError(
            f"{ANIMATE['speech']}: holds no recording; put wav, flac, mp3, ogg, opus, m4a, aac or mp4 files there, or "
            "name another folder as animate.speech in config.yaml"
        )
    logger.info(f"{len(RECORDINGS)} recordings, {animated.introduced(animation_model(), ANIMATE['model'])}")
    return expand("results/animations/{recording}", recording=RECORDINGS)


def study_folders(part):
    """By method of a part of the user study, the folder of its films: this run's, or the user's own."""
    folders = {}
    for source in config["study"][part]["methods"]:
        name = Path(source).name
        if name in folders:
            raise WorkflowError(f"study.{part}.methods: two are called {name}; rename a folder")
        folders[name] = (
            source if len(Path(source).parts) > 1 or Path(source).is_dir() else f"results/{RUN}/study/{part}/{source}"
        )
    return folders


def study_films(wildcards):
    """All films of the user study: folders of this run, and the user's own files."""
    known = {"part1": ["ground_truth", *SEEDS, *BASELINES, *FLOORS, *FACES_OF_HEADS], "part2": POSE_METHODS}
    files = []
    for part, folders in STUDY_FOLDERS.items():
        for name, folder in folders.items():
            if folder.startswith(f"results/{RUN}/study/"):
                if name not in known[part]:
                    raise WorkflowError(
                        f"study.{part}.methods: {name} is no method of this run{nearest(name, known[part])}, and no folder"
                    )
                files.append(folder)
                continue
            own = [f"{folder}/{number}.mp4" for number in STUDY_NUMBERS[part]]
            if missing := [path for path in own if not Path(path).is_file()]:
                raise WorkflowError(
                    f"study.{part}.methods: {', '.join(missing)}: not there; {folder} needs a film for each audio"
                )
            files += own
    return files


def digest_of(*files):
    """Digest of files of the library that are no Python, such as parts of a page."""
    return lambda wildcards: [hashlib.sha256((BASE / "scripts/said" / file).read_bytes()).hexdigest() for file in files]


def figure_labels(wildcards):
    """A figure's labels in the report: its name and its format. The report shows labels in alphabetical order."""
    name, suffix = wildcards.figure.rsplit(".", 1)
    return {"figure": name, "as": {"png": "image", "pdf": "print (PDF)", "mp4": "video"}[suffix]}


def stages():
    """The rules of each file under rules/, in the workflow's order."""
    names = {}
    for entry in workflow.rules:
        names.setdefault(Path(str(entry.snakefile)).stem, []).append(entry.name)
    return names


def run_digest():
    """Digest of everything that decides the results: configuration and code."""
    codes = [remembered.code(script, BASE / "scripts") for script in sorted((BASE / "scripts").glob("*.py"))]
    return hashlib.sha256(json.dumps([config, codes], sort_keys=True).encode()).hexdigest()


def let_edits_fail(scheduler):
    """Let the run go on when a job of `edits` or `animate` fails: no table should wait for a user's recording.

    This is Snakemake's --keep-going for these jobs alone; any other failure ends the run as usual.
    """
    handle_error, keep_going = scheduler._handle_error, scheduler.keepgoing

    def handle(job, *arguments, **settings):
        handle_error(job, *arguments, **settings)
        failed = [member for group in scheduler.failed for member in getattr(group, "jobs", [group])]
        own = ("editing", "animation")
        scheduler.keepgoing = keep_going or all(Path(str(member.rule.snakefile)).stem in own for member in failed)

    scheduler._handle_error = handle


def record_unseen(killed_with):
    """Tell Snakemake how results were made whose Slurm jobs finished after their run was killed.

    It has no record of their settings, and would not remake them after an edit.

    Args:
        killed_with: `run_digest` of the previous run, if it was killed.
    """
    unseen = [
        job
        for job in workflow.dag.jobs
        if job.output and not workflow.dag.needrun(job) and not workflow.persistence.has_metadata(job)
    ]
    if killed_with == run_digest():
        for job in unseen:
            workflow.async_run(workflow.persistence.finished(job))
    elif killed_with and unseen:
        outputs = ", ".join(str(output) for job in unseen for output in job.output)
        logger.warning(
            "These results are of a run that was killed, and settings or code were edited since. Whether the edit "
            f"affects them is not known; if it does, remove them: {outputs}"
        )
