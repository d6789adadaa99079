from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]


def test_a_good_configuration_is_summed_up(sluicegate: Command, gate: Path) -> None:
    code, out, err = sluicegate("check", "-c", str(gate))
    assert (code, err) == (0, "")
    assert out.startswith("Config OK\n")
    assert "- time (stdio) [timeout]" in out


def test_all_errors_come_at_once_with_their_lines(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text().replace("command", "comand").replace('name = "gate"', 'name = "gate"\nlistem = 1'))
    code, out, err = sluicegate("check", "-c", str(gate))
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("error: ") for line in lines)
    assert any("gate.toml:3: proxy.listem" in line and "listen" in line for line in lines)
    assert any("gate.toml:7: backends[0].comand" in line and "command" in line for line in lines)


def test_what_is_not_built_yet_is_a_warning_here_and_an_error_in_run(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text() + "[security]\nadmin_token = 'x'\n[observability.tracing]\nenabled = true\n")
    code, out, _ = sluicegate("check", "-c", str(gate))
    assert code == 0
    assert "planned" in out
    code, out, err = sluicegate("run", "-c", str(gate))
    assert (code, out) == (1, "")
    assert "observability.tracing: 'tracing' is planned" in err
    assert "security.admin_token" in err


def test_an_address_that_run_would_refuse_is_a_warning(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text().replace('name = "gate"', 'name = "gate"\nlisten.host = "0.0.0.0"'))
    code, out, err = sluicegate("check", "-c", str(gate))
    assert (code, err) == (0, "")
    assert f"    - {gate}:3: proxy.listen.host: the address '0.0.0.0' can be reached by other machines" in out


def test_the_default_file_is_proxy_toml(sluicegate: Command, gate: Path) -> None:
    code, _, err = sluicegate("check")
    assert code == 1
    assert "proxy.toml" in err
    gate.rename(gate.with_name("proxy.toml"))
    assert sluicegate("check")[0] == 0


def test_a_missing_file_is_named(sluicegate: Command) -> None:
    code, _, err = sluicegate("check", "-c", "nowhere.toml")
    assert code == 1
    assert "nowhere.toml" in err
    assert "Traceback" not in err


def test_the_file_can_come_from_the_environment(sluicegate: Command, gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_CONFIG", str(gate))
    assert sluicegate("check")[0] == 0


def test_a_client_file_needs_no_configuration(sluicegate: Command, tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"time": {"command": "mcp-server-time"}}}')
    code, out, _ = sluicegate("check", "--from-mcp-json", ".mcp.json")
    assert code == 0
    assert "- time (stdio)" in out


def test_a_client_file_in_place_of_a_configuration_is_told_from_it(sluicegate: Command, tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"time": {"command": "mcp-server-time"}}}')
    code, out, err = sluicegate("check", "-c", ".mcp.json")
    assert (code, out) == (1, "")
    assert "--from-mcp-json" in err


def test_a_client_file_can_be_added_to_a_configuration(sluicegate: Command, gate: Path, tmp_path: Path) -> None:
    (tmp_path / "more.json").write_text('{"mcpServers": {"git": {"command": "mcp-server-git"}, "time": {"command": "other"}}}')
    code, out, err = sluicegate("check", "-c", str(gate), "--import-mcp-json", "more.json")
    assert (code, err) == (0, "Imported 2 backends from more.json\n")
    assert "Backends: 2" in out
    assert "- git (stdio)" in out


def test_a_configuration_and_a_client_file_in_its_place_exclude_each_other(sluicegate: Command, gate: Path) -> None:
    code, _, err = sluicegate("check", "-c", str(gate), "--from-mcp-json", ".mcp.json")
    assert code == 2
    assert "--import-mcp-json" in err


def test_programs_get_json(sluicegate: Command, gate: Path) -> None:
    code, out, _ = sluicegate("check", "-c", str(gate), "--json")
    assert code == 0
    told = json.loads(out)
    assert "PATH" in told.pop("environment")["time"]
    assert told == {"ok": True, "name": "gate", "problems": [], "warnings": []}
    gate.write_text("[proxy]\n")
    code, out, err = sluicegate("check", "-c", str(gate), "--json")
    told = json.loads(out)
    assert (code, err, told["ok"]) == (1, "", False)
    assert {"file", "line", "path", "what", "instead"} == set(told["problems"][0])


def test_a_command_that_is_not_there_is_a_warning_of_check_alone(sluicegate: Command, gate: Path, tmp_path: Path) -> None:
    gate.write_text(gate.read_text().replace("mcp-server-time", "no-such-program"))
    (tmp_path / "more.json").write_text('{"mcpServers": {\n"git": {"command": "./no/such"}, "off": {"command": "none", "disabled": true}}}')

    code, out, _ = sluicegate("check", "-c", str(gate), "--import-mcp-json", "more.json")

    assert code == 0
    assert f"    - {gate}:6: backends[0].command: the command 'no-such-program' is not on the PATH; install it, or write its path\n" in out
    assert "    - more.json:2: mcpServers.git.command: the command './no/such' is not there" in out
    assert "'none'" not in out


def test_a_command_on_the_path_that_the_backend_gets_is_there(sluicegate: Command, gate: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "own program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    gate.write_text(gate.read_text().replace("mcp-server-time", "own program") + f'env = {{ PATH = "{program.parent}" }}\n')

    code, out, err = sluicegate("check", "-c", str(gate))

    assert (code, err, "Warnings" in out) == (0, "", False)


def test_a_command_with_its_arguments_in_it_is_an_error(sluicegate: Command, gate: Path) -> None:
    gate.write_text(gate.read_text().replace("mcp-server-time", "npx -y p"))

    code, _, err = sluicegate("check", "-c", str(gate))

    assert code == 1
    assert (
        "backends[0].command: backend 'time': 'command' holds arguments, too, and no shell takes it apart; write the program alone, and args"
        in err
    )
