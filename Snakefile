# The paper SAiD, from data to tables. Configuration, validation, includes and targets; the stages are in rules/.
import json
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

BASE = Path(workflow.basedir)
sys.path.insert(0, str(BASE / "scripts"))
from said import edits as entries
from said import seeds
from said.baselines.registry import TITLES, WITH_STYLES
from said.files import provenance
from said.headpose.registry import KNOWN
from said.running.console import nearest
from said.workflow import benchmarks, estimate, prospects, remembered, written
from said.workflow import config as settings
from said.workflow.version import VERSION
from said.workflow.work import Job


configfile: "config.yaml"


report: "report/workflow.rst"


SCHEMA = yaml.load((BASE / "schemas/config.schema.yaml").read_text(), written.LOADER)
try:
    written.refuse_repeated_keys(workflow.configfiles, workflow.config_settings.config_args)
    FILES, ASKED = written.read_files(workflow.configfiles)
    ARGUMENTS = written.read_arguments(workflow.config_settings.config_args)
    WRITTEN = settings.merge(written.in_order(config, FILES), ARGUMENTS)
    config = settings.resolve(WRITTEN, SCHEMA, ARGUMENTS) | {"version": VERSION}
except settings.ConfigError as error:
    raise WorkflowError(str(error)) from None
if workflow.is_main_process and (
    faults := written.ineffective(WRITTEN, json.loads((BASE / "schemas/defaults.json").read_text()), ARGUMENTS, ASKED)
):
    logger.warning("\n  ".join(["Edits without effect (docs/ablations.md says what wins):", *faults]))


RUN = f"{config['dataset']}-{config['scale']}"
# What each deliverable says about the run it belongs to.
PROVENANCE = {key: config[key] for key in provenance.KEYS}
SPLIT = config[config["dataset"]]["split"]
SPEAKERS = [speaker for role in settings.ROLES for speaker in SPLIT[role]]
VARIANTS = list(config["trainings"])
# Every training: a variant's first one bears its name, and table2_beyond alone looks at the others.
SEEDS = {name: number for trainings in config["trainings"].values() for name, number in trainings.items()}
# Those of `snakemake learning` stand beside the variants.
LEARNING = {
    name: number for trainings in config["learning"]["trainings"].values() for name, number in trainings.items()
}
SETTINGS = config["variants"] | config["learning"]["variants"]
TRANSFER_REPORTS = ["health"] + ["truth"] * (config["dataset"] == "synthetic")


wildcard_constraints:
    run=RUN,
    speaker="|".join(SPEAKERS),
    variant="|".join([*SEEDS, *LEARNING]),
    method=r"\w+",


include: "rules/common.smk"
include: "rules/run.smk"
include: "rules/downloads.smk"
include: "rules/data.smk"
include: "rules/blendshapes.smk"
include: "rules/coefficients.smk"
include: "rules/extractor.smk"
include: "rules/said.smk"
include: "rules/baselines.smk"
include: "rules/learning.smk"
include: "rules/editing.smk"
include: "rules/animation.smk"
include: "rules/lipsync.smk"
include: "rules/evaluation.smk"
include: "rules/beyond.smk"
include: "rules/headpose.smk"
include: "rules/headpose_pose.smk"
include: "rules/headpose_face.smk"
include: "rules/figures.smk"
include: "rules/headpose_film.smk"
include: "rules/study.smk"
include: "rules/record.smk"
include: "rules/estimate.smk"


localrules:
    all,
    downloads,
    dataset,
    blendvoca,
    obj,
    models,
    edits,
    animate,
    learning,
    headpose,
    study,
    headpose_faces,
    tables,
    figures,


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.edits.input,
        rules.figures.input,
        HEADPOSE + HEADPOSE_FACES if config["headpose"]["with_all"] else [],
        rules.record_run.output,


rule dataset:
    input:
        expand("results/{run}/corpus/sequences/{speaker}", run=RUN, speaker=SPEAKERS),


rule blendvoca:
    input:
        expand("results/{run}/blendshapes/{speaker}.npz", run=RUN, speaker=SPEAKERS),
        expand("results/{run}/coefficients/{speaker}", run=RUN, speaker=SPEAKERS),
        expand("results/{run}/coefficients/std.csv", run=RUN),
        expand("results/{run}/blendshapes/{report}.csv", run=RUN, report=TRANSFER_REPORTS),
        expand("results/{run}/coefficients/quality.csv", run=RUN),
        expand("results/{run}/coefficients/quality/{speaker}.png", run=RUN, speaker=SPEAKERS),
        expand("results/{run}/blendshapes/residuals/{speaker}.npz", run=RUN, speaker=SPEAKERS),


# On demand: every speaker's blendshapes for other programs.
rule obj:
    input:
        expand("results/{run}/blendshapes/obj/{speaker}", run=RUN, speaker=SPEAKERS),


rule models:
    input:
        expand("results/{run}/extractor/vae.safetensors", run=RUN),
        expand("results/{run}/said/{variant}/model.safetensors", run=RUN, variant=SEEDS),
        expand("results/{run}/baselines/{baseline}/model.safetensors", run=RUN, baseline=BASELINES),
