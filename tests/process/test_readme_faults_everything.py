"""The example of the manual about faults in front of a client, with one that is not written in Python."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SDK = Path(".cache/npm/node_modules/@modelcontextprotocol/sdk/dist/esm").absolute()
CLIENT = Path(__file__).parent / "children" / "shopper.mjs"


def test_a_client_on_the_typescript_sdk_meets_the_same_faults(printed: Any) -> None:
    with printed.running("sluicegate run -c shop.toml --faults") as (there, _log):
        command = ["node", str(CLIENT), str(SDK), f"http://127.0.0.1:{there.port}/mcp"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == printed.output("python client.py"), done.stderr
