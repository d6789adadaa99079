from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from sluicegate.cli.main import main
from sluicegate.observe.log import QUIET


@pytest.fixture(autouse=True)
def _logging_as_before() -> Generator[None]:
    """A command sets it up for its process, which here is that of all tests."""
    loggers = [logging.getLogger(name) for name in ("", *QUIET)]
    levels, handlers = [logger.level for logger in loggers], loggers[0].handlers[:]
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def sluicegate(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line in an empty folder, without settings from outside and with the programs of this environment; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("CONFIG", "HOST", "PORT", "LOG_LEVEL", "TOKEN", "DEBUG"):
        monkeypatch.delenv(f"SLUICEGATE_{name}", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, captured.out, captured.err

    return run


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A small configuration without mistakes."""
    path = tmp_path / "gate.toml"
    path.write_text(
        """\
[proxy]
name = "gate"
[[backends]]
name = "time"
transport = "stdio"
command = "mcp-server-time"
timeout.seconds = 10
"""
    )
    return path
