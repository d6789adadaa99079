"""The way of a call through the gateway, from a socket to a child and back, does not grow unseen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.checkout import ROOT

pytestmark = pytest.mark.slow

MOST_CALLS = 170
"""What is promised."""


def test_a_call_enters_no_more_of_our_functions_than_is_promised(tmp_path: Path) -> None:
    file = tmp_path / "walk.json"
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.benchmark", "--walk", "--json", str(file)], cwd=ROOT, capture_output=True, check=True
    )
    steps = [place for _depth, place in json.loads(file.read_text(encoding="utf-8"))["walk"]]
    assert {"frontends/app.py:App.__call__", "routing/table.py:Router.__call__", "backends/channel.py:ChannelSession.request"} <= set(steps)
    assert len(steps) <= MOST_CALLS, ran.stdout.decode()
