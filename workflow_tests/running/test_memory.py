"""Memory that is free goes back to the system."""

import platform
import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAM = """if True:
    import numpy as np
    from said.running.memory import release

    def resident():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

    blocks = [np.ones(8000) for _ in range(3000)]  # 192 MB, in blocks that glibc does not map one by one
    last = blocks.pop()
    del blocks
    before = resident()
    release()
    print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed, and gives it back")
def test_what_was_freed_goes_back():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT / "scripts", capture_output=True, text=True, check=True)
    assert float(done.stdout) > 150
