"""The gateway among clients that hurt, and told to end while it is busy; ``scripts/bench`` does the same with more of everything and with times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.kit.checkout import ROOT

pytestmark = pytest.mark.slow

PATIENCE = 180

Json = dict[str, Any]


def bench(tmp_path: Path, *arguments: str) -> Json:
    """What `scripts/bench` finds with these arguments."""
    out = tmp_path / "found.json"
    command = [sys.executable, "-m", "scripts.benchmark", *arguments, "--json", str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said = process.communicate(timeout=PATIENCE)[0]
        finally:
            process.terminate()  # with all that it has started, should it still be there
    assert process.returncode == 0, said
    found: Json = json.loads(out.read_text(encoding="utf-8"))
    return found


def missed(found: Json) -> list[str]:
    """Promises that were broken. How long a call takes says nothing on a machine that runs other tests."""
    return [f"{goal['name']}: {goal['found']}" for goal in found["goals"] if not goal["met"] and "p99" not in goal["name"]]


def test_clients_that_hurt_are_ended_in_time_and_leave_nothing_behind(tmp_path: Path) -> None:
    """Some drip bytes, some stop reading, some reset, some are idle; no healthy call suffers, twice."""
    found = bench(tmp_path, "--attack", "--quick", "--kind", "clients")

    assert missed(found) == []
    attack = found["attack"]
    assert attack["complaints"] == []
    for one in attack["attacks"]:
        assert one["calls"] > 50
        assert one["p99"] < 2000
        assert list(one["answers"]) == ["HTTP/1.1 408 Request Timeout"]
        assert set(one["held"]) == {"drippers in the head", "drippers in the body", "stalled", "resetters", "idle"}


@pytest.mark.parametrize("kind", ["unread log", "long names", "sessions", "members", "pings", "questions", "chatter", "deep"])
def test_inputs_that_hurt_cost_nobody_else_anything(tmp_path: Path, kind: str) -> None:
    """Memory and the log stay within their bounds, no healthy call goes wrong, and what hurts is answered."""
    found = bench(tmp_path, "--attack", "--quick", "--kind", kind)

    assert missed(found) == []
    (attack,) = found["floods"][kind]["attacks"]
    assert attack["calls"] > 50
    assert attack["p99"] < 1000
    assert attack["livez"] < 1000


def test_sigterm_under_load_cuts_no_call_that_ends_in_time_and_takes_no_new_one(tmp_path: Path) -> None:
    found = bench(tmp_path, "--drain")

    assert missed(found) == []
    patient, impatient = found["drain"].values()
    assert patient["long calls"] == {"200": 50}
    assert sum(impatient["long calls"].values()) == 50
    assert patient["calls before"]["200"] > 50
