"""What a newcomer runs first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo itself, without the set-up of its environment; ours has what it needs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "scripts/demo.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_shows_a_failover_and_leaves_nothing_behind() -> None:
    done = demo("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^\d\. (.*)$", done.stdout, re.MULTILINE)
    assert "answered by time:" in steps[0]
    assert "time-shadow has seen a copy" in steps[1]
    assert "kill -9" in steps[2]
    assert "answered by time-backup:" in steps[3]
    assert "answered by time:" in steps[4]
    assert steps[0].partition(": ")[2] == steps[3].partition(": ")[2] == steps[4].rpartition("time: ")[2]
    assert done.stdout.endswith("children left: 0\n")
    assert "Traceback" not in done.stderr


def test_the_demo_knows_no_other_argument() -> None:
    assert demo("--twice").returncode == 2
