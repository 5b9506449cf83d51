"""Dependencies, taken from requirements.txt, the one place of pins. All else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup


def pins(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


library, workflow = Path(__file__).with_name("requirements.txt").read_text().split("\n# The workflow alone")
setup(install_requires=pins(library), extras_require={"workflow": pins(workflow.split("\n", 1)[1])})
