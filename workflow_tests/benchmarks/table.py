"""Run the benchmarks and write docs/performance.md: what each prints, and the machine it ran on.

    OMP_NUM_THREADS=1 python workflow_tests/benchmarks/table.py [attention render ...] [--device cuda]

Benchmarks that are not named keep what the page says of them, with the machine named there. All of those that need no
GPU take about half an hour on two cores; measure on a machine with nothing else to do.
"""

import argparse
import ast
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs/performance.md"
BENCHMARKS = {
    "training": ("Training", ["--steps", "5"]),
    "trainings": ("Units of the other trainings and samplings", ["--steps", "1"]),
    "sampling": ("Sampling", ["--rounds", "2"]),
    "animation": ("Animating recordings", ["--minutes", "10", "--film", "--paper"]),
    "attention": ("Cross-attention under the alignment bias", ["--lengths", "120", "600", "3600"]),
    "coefficients": ("Coefficients", ["--without-dense"]),
    "transfer": ("Correspondence and deformation transfer", ["--targets", "2"]),
    "metrics": ("Metrics", []),
    "render": ("Rendering", []),
    "reading": ("Reading VOCASET", ["--frames", "4000"]),
    "sums": ("Sums of results", []),
    "baselines": ("FaceFormer and CodeTalker", []),
}
"""Title of each, and arguments that keep it short."""
ON_A_GPU = ("training", "trainings", "sampling")
_SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.M)


def machine(device: str) -> str:
    """Processor or GPU, cores and versions."""
    chip = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        chip = found[1] if found else chip
    name = torch.cuda.get_device_name() if device == "cuda" else f"{chip}, {len(os.sched_getaffinity(0))} cores"
    return f"{name}; Python {platform.python_version()}, PyTorch {version('torch')}, NumPy {version('numpy')}"


def section(name: str, device: str) -> str:
    """Text of one benchmark's section, after running it."""
    title, arguments = BENCHMARKS[name]
    script = FOLDER / f"bench_{name}.py"
    arguments = [*arguments, *(["--device", device] if name in ON_A_GPU else [])]
    done = subprocess.run([sys.executable, script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    about = ast.get_docstring(ast.parse(script.read_text())).split("\n\n")
    what = "\n\n".join(part for part in about if not part.startswith("    "))
    command = " ".join(["python", f"workflow_tests/benchmarks/{script.name}", *arguments])
    where = f"Measured on {machine(device)}, by `{command}`."
    return f"{what}\n\n{where}\n\n```text\n{done.stdout.rstrip()}\n```\n"


def page(sections: dict[str, str]) -> str:
    """The whole page."""
    intro = (
        "<!-- Written by workflow_tests/benchmarks/table.py: do not edit. -->\n\n# Performance\n\n"
        "What the benchmarks print, each with the machine that it ran on. The plain ways beside ours run in the same "
        "call, so that ratios hold on other machines too. What a whole run costs, by rule, is in its "
        "`results/cost.csv`.\n"
    )
    parts = (f"## {title}\n\n{sections[title].strip()}\n" for title, _ in BENCHMARKS.values() if title in sections)
    return "\n".join([intro, *parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="benchmark", default=list(BENCHMARKS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of training, trainings and sampling")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    sections = dict(_SECTION.findall(PAGE.read_text())) if PAGE.exists() else {}
    for name in arguments.names:
        print(f"{name} ...", flush=True)
        sections[BENCHMARKS[name][0]] = section(name, arguments.device)
        PAGE.write_text(page(sections))


if __name__ == "__main__":
    main()
