"""docs/performance.md: every benchmark has its section, with its command and the machine."""

import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(Path(__file__).parent))
import table

PAGE = (ROOT / "docs/performance.md").read_text()


def test_every_benchmark_has_its_line():
    files = {path.stem.removeprefix("bench_") for path in Path(table.__file__).parent.glob("bench_*.py")}
    assert set(table.BENCHMARKS) == files


def test_the_page_is_what_the_script_writes():
    sections = dict(table._SECTION.findall(PAGE))
    assert sections and set(sections) <= {title for title, _ in table.BENCHMARKS.values()}
    assert table.page(sections) == PAGE
    for text in sections.values():
        assert re.search(r"^Measured on .+, by `python workflow_tests/benchmarks/bench_\w+\.py", text, re.M)
        assert text.rstrip().endswith("```")


@pytest.mark.parametrize("device", ["cpu"])
def test_the_machine_is_named_with_its_versions(device):
    assert re.search(r"; Python 3\.\d+\.\d+, PyTorch \S+, NumPy \S+$", table.machine(device))
