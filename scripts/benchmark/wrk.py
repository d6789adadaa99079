"""The driver: wrk, which sends calls as fast as they are answered."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from .processes import Failed
from .usage import own_seconds

__all__ = ["Load", "drive"]

SCRIPT = Path(__file__).with_name("wrk.lua")
PATIENCE = 30.0


@attrs.frozen
class Load:
    """What wrk saw, and what it used itself."""

    seconds: float
    requests: int
    wrong: int
    """Answers without the expected text or with another status than 200."""
    failed: int
    """Connections that broke, and answers that did not come in time."""
    p50: float
    """Milliseconds, as are the following."""
    p99: float
    longest: float
    cpu: float
    """Seconds of processor time that wrk itself used."""
    example: str
    """The first wrong answer."""


def drive(
    url: str, sessions: Sequence[str], connections: int, seconds: int, *, tool: str, expect: str, same: bool = False, token: str = ""
) -> Load:
    """Call a tool on so many connections for so many seconds, with other arguments each time or with the ``same``."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), url, "--", tool, expect, *sessions]
    began = own_seconds()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + PATIENCE,
        env=os.environ | {"SAME_ARGUMENTS": str(int(same))} | ({"TOKEN": token} if token else {}),
    )
    used = own_seconds() - began
    if done.returncode != 0 or not done.stdout.strip():
        raise Failed(f"wrk: {done.stdout}{done.stderr}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return Load(
        seconds=told["microseconds"] / 1e6,
        requests=told["requests"],
        wrong=told["wrong"],
        failed=told["failed"] + told["timeouts"],
        p50=told["p50"] / 1e3,
        p99=told["p99"] / 1e3,
        longest=told["longest"] / 1e3,
        cpu=used,
        example=told["example"],
    )
