"""The `snakemake` object of a script without a run, to step through the script in a debugger.

PYTHONPATH=scripts python -m pdb -m said.workflow.debug train_said variant=base --config scale=smoke
"""

import argparse
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.dag import DAG
from snakemake.iocontainers import Snakemake
from snakemake.jobs import Job
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    WorkflowSettings,
)

from said.running.console import nearest

ROOT = Path(__file__).parents[3]


def mock_snakemake(rule: str, config: Mapping[str, Any] | None = None, cores: int = 1, **wildcards: str) -> Snakemake:
    """What Snakemake passes to the script of a rule: input, output, params, log, threads, resources, wildcards, config.

    Nothing runs and nothing is written. The inputs need not exist for this; to run the script, make them with
    Snakemake first. Paths are relative to the current folder.

    Args:
        rule: its name.
        config: what `--config` would set.
        cores: of the run; they limit the threads of a job.
        wildcards: of the rule; `run` follows from the configuration.

    Raises:
        ValueError: this configuration has no such rule, or the rule has other wildcards.
    """
    return _job(rule, config or {}, cores, wildcards)[0]


def _job(
    name: str, config: Mapping[str, Any], cores: int, wildcards: Mapping[str, str]
) -> tuple[Snakemake, Path | None]:
    """The object, and the path of the rule's script; None where it has none."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(config=dict(config)),
            workflow_settings=WorkflowSettings(),
            snakefile=ROOT / "Snakefile",
        )._workflow
        workflow.dag_settings, workflow.execution_settings = DAGSettings(), ExecutionSettings()
        rules = {rule.name: rule for rule in workflow.rules}
        if name not in rules:
            raise ValueError(f"no rule {name} in this configuration{nearest(name, rules)}")
        rule = rules[name]
        given = {"run": workflow.globals["RUN"], **wildcards}
        expected = set(rule.wildcard_names)
        if "run" not in expected:
            del given["run"]
        if given.keys() != expected:
            raise ValueError(f"rule {name} has the wildcards {sorted(expected)}, not {sorted(given)}")
        job = Job(rule, DAG(workflow, rules=[rule]), given)
        params: Any = job.params
        files = (job.input, job.output, params, job.wildcards)
        mocked = Snakemake(*files, job.threads, job.resources, job.log, workflow.globals["config"], name, None)
    return mocked, ROOT / "rules" / rule.script if rule.script else None


def main() -> None:
    """Run the script of a rule in this process."""
    about = "Run the script of a rule in this process, for a debugger."
    parser = argparse.ArgumentParser(prog="python -m said.workflow.debug", description=about)
    parser.add_argument("rule")
    parser.add_argument("wildcards", nargs="*", metavar="NAME=VALUE")
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE", help="as snakemake's")
    arguments = parser.parse_args()
    config = {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in arguments.config)}
    wildcards = dict(pair.split("=", 1) for pair in arguments.wildcards)
    mocked, script = _job(arguments.rule, config, 1, wildcards)
    if script is None:
        parser.error(f"rule {arguments.rule} has no script")
    runpy.run_path(str(script), {"snakemake": mocked}, "__main__")


if __name__ == "__main__":
    main()
