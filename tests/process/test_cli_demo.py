"""What a newcomer runs first."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.kit.checkout import ROOT

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


def test_the_demo_says_what_it_is() -> None:
    done = demo("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--once" in done.stdout


def test_a_port_that_is_taken_comes_with_a_way_out() -> None:
    with suppress(OSError), socket.create_server(("127.0.0.1", 8080)):  # that of conf/demo.toml; whoever else has it will do
        done = demo()
        assert done.returncode == 1
        assert "--once" in done.stderr
        assert "Traceback" not in done.stderr
