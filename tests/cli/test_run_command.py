from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_an_address_that_others_reach_needs_authentication(sluicegate: Command, gate: Path, host: str) -> None:
    code, out, err = sluicegate("run", "-c", str(gate), "--host", host)
    assert (code, out) == (1, "")
    assert err.startswith("error: --host: ")
    assert "--insecure-no-auth" in err
    assert "Traceback" not in err


def test_what_the_command_line_puts_in_is_checked_like_the_file(sluicegate: Command, gate: Path) -> None:
    code, out, err = sluicegate("run", "-c", str(gate), "--host", "")
    assert (code, out) == (1, "")
    assert "error: --host: the host must not be empty" in err
    assert len(err.splitlines()) == 1


def test_an_address_of_the_file_that_others_reach_is_refused_at_its_line(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text().replace('name = "gate"', 'name = "gate"\nlisten.host = "0.0.0.0"'))
    code, out, err = sluicegate("run", "-c", str(gate))
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {gate}:3: proxy.listen.host: the address '0.0.0.0' can be reached")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("port", ["-1", "65536", "web"])
def test_a_port_that_is_none_is_a_wrong_command_line(sluicegate: Command, gate: Path, port: str) -> None:
    assert sluicegate("run", "-c", str(gate), "--port", port)[0] == 2


def test_a_log_level_that_is_none_is_a_wrong_command_line(sluicegate: Command, gate: Path) -> None:
    assert sluicegate("run", "-c", str(gate), "--log-level", "loud")[0] == 2


@pytest.mark.parametrize("host", ["", "http://gate.example", "gate.example/mcp"])
def test_a_host_that_is_none_is_a_wrong_command_line(sluicegate: Command, gate: Path, host: str) -> None:
    code, _, err = sluicegate("run", "-c", str(gate), "--allowed-host", host)
    assert code == 2
    assert "NAME:PORT" in err


def test_a_configuration_with_errors_is_not_run(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text().replace("transport", "transprot"))
    code, out, err = sluicegate("run", "-c", str(gate))
    assert (code, out) == (1, "")
    assert "transport" in err
