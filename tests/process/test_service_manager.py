"""What a service manager is told by a daemon, over a real socket; and the units for systemd, which it judges itself where it is there."""

from __future__ import annotations

import configparser
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.checkout import ROOT
from tests.process.test_cli_run import PATIENCE, running

pytestmark = pytest.mark.slow

UNITS = ROOT / "conf" / "systemd"
MOST_EXPOSED = 2.0
"""Of 10, by ``systemd-analyze security``: children may be programs that make code, and talk to anybody."""


@pytest.fixture
def gate(write_gate: Callable[[str], Path]) -> Path:
    return write_gate('[proxy]\nname = "gate"\nlisten = { port = 0 }\n')


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], dict[str, str]]]:
    """The next that it is told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield lambda: dict(line.split("=", 1) for line in heard.recv(4096).decode().splitlines())


def test_a_manager_is_told_when_it_serves_reads_its_configuration_again_and_stops(
    gate: Path, manager: Callable[[], dict[str, str]]
) -> None:
    with running("-c", str(gate)) as daemon:
        ready = manager()
        assert ready["READY"] == "1"
        assert re.fullmatch(r"serving http://127\.0\.0\.1:\d+/mcp", ready["STATUS"])
        for text in (gate.read_text(encoding="utf-8"), "nonsense"):
            gate.write_text(text, encoding="utf-8")
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            daemon.process.send_signal(signal.SIGHUP)
            reloading = manager()
            assert reloading["RELOADING"] == "1"
            assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            assert manager() == {"READY": "1"}
        daemon.process.send_signal(signal.SIGTERM)
        assert manager() == {"STOPPING": "1"}
        assert daemon.wait() == 0


def test_a_manager_that_does_not_listen_is_no_reason_not_to_serve(gate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with running("-c", str(gate)) as daemon:
        daemon.wait_for("serving")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_the_units_are_understood_and_give_few_rights(tmp_path: Path) -> None:
    service = UNITS / "sluicegate.service"
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys have capitals
    unit.read(service)
    assert unit["Service"]["Type"] == "notify"
    assert "sluicegate run -c" in unit["Service"]["ExecStart"]
    assert unit["Service"]["ExecReload"] == "kill -HUP $MAINPID"
    assert "u sluicegate " in (UNITS / "sluicegate.sysusers").read_text(encoding="utf-8")
    if shutil.which("systemd-analyze") is None:
        return
    installed = tmp_path / "sluicegate.service"
    installed.write_text(re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", service.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copy(UNITS / "sluicegate.socket", tmp_path)
    judged = subprocess.run(
        ["systemd-analyze", "verify", str(installed), str(tmp_path / "sluicegate.socket")], capture_output=True, text=True, check=False
    )
    assert (judged.returncode, judged.stderr) == (0, "")
    found = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(installed)], capture_output=True, text=True, check=False
    ).stdout
    exposed = re.search(r"Overall exposure level for sluicegate.service: ([\d.]+)", found)
    assert exposed is not None
    assert float(exposed[1]) <= MOST_EXPOSED
