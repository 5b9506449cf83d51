"""The workflow's version, as pyproject.toml has it too; of no job, so that another one makes no job run again."""

VERSION = "0.1.0"
