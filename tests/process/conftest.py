"""What the tests with real processes share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("plain_server.py")


@pytest.fixture
def write_gate(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration: the given tables, and one backend that is a real child."""

    def write(tables: str) -> Path:
        path = tmp_path / "gate.toml"
        command = f'command = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(SERVER))}, "one"]\n'
        path.write_text(f'{tables}[[backends]]\nname = "one"\ntransport = "stdio"\n{command}')
        return path

    return write
