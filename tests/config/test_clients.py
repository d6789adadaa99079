"""The files of MCP clients as these really write them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sluicegate.config.load import ConfigError, Loaded, from_mcp_json, load
from sluicegate.config.namespaces import Namespaces, legal_namespace

AS_WRITTEN = """\
{
  // Claude, VS Code, Cursor and others, all in one
  "mcpServers": {
    "time": { "command": "uvx", "args": ["mcp-server-time"], "env": { "TZ": "${env:ZONE}", "DEBUG": 1 }, },
    "Git Hub!": {
      "type": "http",
      "url": "https://api.example/mcp",
      "headers": { "Authorization": "Bearer ${TOKEN}" },
      "alwaysAllow": ["x"], /* this client's own */
    },
    "files": { "type": "stdio", "command": "files", "cwd": "work", "disabled": true },
    "wind": { "serverUrl": "http://127.0.0.1:1/sse", "type": "sse" },
  },
}
"""
ENVIRON = {"ZONE": "UTC", "TOKEN": "tok"}


def imported(tmp_path: Path, text: str) -> Loaded:
    path = tmp_path / ".mcp.json"
    path.write_text(text)
    return from_mcp_json(path, environ=ENVIRON)


def errors(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, text)
    return "\n".join(str(problem).replace(str(tmp_path), "") for problem in caught.value.problems)


def test_a_file_as_clients_write_it_needs_nothing_else(tmp_path: Path) -> None:
    loaded = imported(tmp_path, AS_WRITTEN)

    assert tmp_path.name == loaded.config.proxy.name
    assert tmp_path / ".mcp.json" == loaded.config.source
    time, hub, files, wind = loaded.config.backends
    assert (time.transport, time.command, time.args) == ("stdio", "uvx", ("mcp-server-time",))
    assert time.env == {"TZ": "UTC", "DEBUG": "1"}
    assert (hub.transport, hub.url) == ("http", "https://api.example/mcp")
    assert hub.headers == {"Authorization": "Bearer tok"}
    assert (wind.transport, wind.url) == ("sse", "http://127.0.0.1:1/sse")
    assert (hub.name, hub.effective_namespace) == ("Git Hub!", "Git-Hub")
    assert (False, str(tmp_path / "work")) == (files.enabled, files.cwd)


def test_a_server_over_a_websocket_is_taken_by_its_type_or_by_its_address(tmp_path: Path) -> None:
    text = '{"mcpServers": {"a": {"type": "ws", "url": "ws://h/x", "headers": {"A": "b"}}, "b": {"url": "wss://h/y"}}}'

    a, b = imported(tmp_path, text).config.backends

    assert (a.transport, a.url) == ("websocket", "ws://h/x")
    assert a.headers == {"A": "b"}
    assert (b.transport, b.url) == ("websocket", "wss://h/y")


def test_what_was_changed_or_left_out_is_said(tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"

    assert (
        f"'Git Hub!' from {path} gets the namespace 'Git-Hub'",
        f'{path}:9: mcpServers."Git Hub!".alwaysAllow: the gateway does not know this member and leaves it out',
    ) == imported(tmp_path, AS_WRITTEN).warnings


@pytest.mark.parametrize("member", ["mcpServers", "servers"])
def test_both_names_of_the_table_are_known(member: str, tmp_path: Path) -> None:
    loaded = imported(tmp_path, f'{{"{member}": {{"a": {{"command": "x"}}}}, "inputs": []}}')

    assert [backend.name for backend in loaded.config.backends] == ["a"]
    assert "inputs" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"servers": {}}', "/.mcp.json: backends: at least one backend is required"),
        ("{}", "/.mcp.json: there is no 'mcpServers' (or 'servers') in it"),
        ("[]", "/.mcp.json: there is no 'mcpServers'"),
        ("null", "/.mcp.json: there is no 'mcpServers'"),
        ('{"servers": []}', "/.mcp.json:1: servers: this is no object of servers"),
        ('{"servers":\n {"a": 3}}', "/.mcp.json:2: servers.a: this is no object"),
        ('{"servers":\n {"a": {}}}', "/.mcp.json:2: servers.a: server 'a' must have either 'command' (stdio) or 'url' (http)"),
        ('{"servers": {"a": {"type": "smoke", "url": "x"}}}', "servers.a.type: this transport is not known"),
        ('{"servers": {"a": {"type": 3, "url": "x"}}}', "servers.a.type: this transport is not known"),
        ('{"servers": {"a": {"type": "stdio"}}}', "servers.a.command: backend 'a': stdio transport requires 'command'"),
        ('{"servers": {"a": {\n"url": "ftp://x"}}}', "/.mcp.json:2: servers.a.url: this is no http address"),
        ('{"servers": {"a.b": {\n"command": 3}}}', '/.mcp.json:2: servers."a.b".command: a number stands where a text is expected'),
        (
            '{"servers": {"a": {"command": "x",\n"env": {"K": "${env:NOPE}"}}}}',
            "/.mcp.json:2: servers.a.env.K: the environment variable 'NOPE' is not set",
        ),
        ('{"servers": {"a": {"command": "x"},\n"a": {"command": "y"}}}', "/.mcp.json:2: servers.a: the key is given twice"),
        ('{"servers": {', "/.mcp.json:1: this is no valid JSON"),
    ],
)
def test_what_the_gateway_cannot_use_is_an_error_with_its_line(text: str, error: str, tmp_path: Path) -> None:
    assert error in errors(tmp_path, text)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mcpServers": []}', '{"mcpServers": {"a": {}}}'])
def test_a_file_that_cannot_be_used_is_told_once(text: str, tmp_path: Path) -> None:
    told = errors(tmp_path, text)

    assert "at least one backend" not in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    "member",
    [
        '"disabled": true',
        '"enabled": false',
        '"disabled": "true"',
        '"disabled": 1',
        '"enabled": "False"',
        '"enabled": 0',
        '"isActive": false',
    ],
)
def test_a_server_that_is_switched_off_stays_off(member: str, tmp_path: Path) -> None:
    loaded = imported(tmp_path, f'{{"mcpServers": {{"a": {{"command": "x", {member}}}, "b": {{"command": "x", "enabled": true}}}}}}')

    assert [backend.enabled for backend in loaded.config.backends] == [False, True]
    assert loaded.warnings == ()


@pytest.mark.parametrize("member", ['"disabled": "false"', '"disabled": 0', '"disabled": null', '"enabled": "true"', '"enabled": 1'])
def test_a_server_that_is_switched_on_in_quotes_runs(member: str, tmp_path: Path) -> None:
    loaded = imported(tmp_path, f'{{"mcpServers": {{"a": {{"command": "x", {member}}}}}}}')

    assert [backend.enabled for backend in loaded.config.backends] == [True]
    assert loaded.warnings == ()


@pytest.mark.parametrize("member", ['"disabled": []', '"enabled": "sometimes"', '"disabled": {"x": 1}'])
def test_a_server_of_which_nobody_can_tell_whether_it_is_on_is_left_out_alone(member: str, tmp_path: Path) -> None:
    loaded = imported(tmp_path, f'{{"mcpServers": {{"a": {{"command": "x", {member}}}, "b": {{"command": "x"}}}}}}')

    assert [backend.name for backend in loaded.config.backends] == ["b"]
    assert "this is neither true nor false" in "".join(loaded.warnings)


def test_how_many_backends_a_file_brought_is_noted(tmp_path: Path) -> None:
    """CLI-5: the skipped ones count."""
    (tmp_path / "a.json").write_text('{"mcpServers": {"time": {"command": "theirs"}, "b": {"command": "x"}}}')
    gate = tmp_path / "gate.toml"
    gate.write_text('[proxy]\nname = "p"\n[[backends]]\nname = "time"\ntransport = "stdio"\ncommand = "ours"\n')

    assert load(gate, import_mcp_json=tmp_path / "a.json").notes == (f"Imported 2 backends from {tmp_path}/a.json",)


def test_one_bad_server_is_told_once(tmp_path: Path) -> None:
    assert len(errors(tmp_path, '{"servers": {"a": {"command": 3}}}').splitlines()) == 1


def test_what_means_nothing_to_a_transport_is_left_out_with_a_word(tmp_path: Path) -> None:
    loaded = imported(
        tmp_path,
        '{"servers": {"a": {"command": "x", "url": "http://y", "headers": {"B": "c"}}, "b": {"url": "http://y", "env": {"B": "c"}}}}',
    )

    assert [backend.transport for backend in loaded.config.backends] == ["stdio", "http"]
    assert [warning.split(": ")[1] for warning in loaded.warnings] == ["servers.a.headers", "servers.b.env"]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.json: importing backends failed: the file cannot be read: No such file"):
        from_mcp_json(tmp_path / "nothing.json", environ={})


def test_a_configuration_may_import_and_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"mcpServers": {"time": {"command": "theirs"}, "b": {"command": "x"}}}')
    (tmp_path / "b.json").write_text('{"servers": {"c": {"command": "x"}, "b": {"command": "again"}}}')
    path = tmp_path / "gate.toml"
    path.write_text('[proxy]\nname = "p"\nimport_backends = "a.json"\n[[backends]]\nname = "time"\ntransport = "stdio"\ncommand = "ours"\n')

    loaded = load(path, import_mcp_json=tmp_path / "b.json", environ={})

    assert [(backend.name, backend.command) for backend in loaded.config.backends] == [("time", "ours"), ("b", "x"), ("c", "x")]
    assert (
        f"Skipping 'time' from {tmp_path}/a.json (already defined in config)",
        f"Skipping 'b' from {tmp_path}/b.json (already defined in config)",
    ) == loaded.warnings


def test_a_configuration_may_have_nothing_but_imports(tmp_path: Path) -> None:
    """CFG-154: the seed refuses it."""
    (tmp_path / "a.json").write_text('{"mcpServers": {"b": {"command": "x"}}}')
    (tmp_path / "gate.toml").write_text('[proxy]\nname = "p"\n')

    assert [backend.name for backend in load(tmp_path / "gate.toml", import_mcp_json=tmp_path / "a.json").config.backends] == ["b"]


def test_imported_prefixes_never_collide(tmp_path: Path) -> None:
    """CORE-5 is not the fault of somebody whose client has no prefixes."""
    loaded = imported(
        tmp_path,
        '{"servers": {"redis": {"command": "x"}, "redis_ft": {"command": "x"}, "a b": {"command": "x"}, "a/b": {"command": "x"}, "proxy": {"command": "x"}}}',
    )

    assert [backend.effective_namespace for backend in loaded.config.backends] == ["redis", "redis-ft", "a-b", "a-b-2", "proxy-2"]


@pytest.mark.parametrize("order", [("b", "b_c", "b_c_d"), ("b_c_d", "b_c", "b"), ("b_c", "b_c_d", "b")])
def test_imported_prefixes_never_collide_in_any_order(order: tuple[str, ...], tmp_path: Path) -> None:
    loaded = imported(tmp_path, json.dumps({"mcpServers": {name: {"command": "x"} for name in order}}))

    assert {backend.effective_namespace for backend in loaded.config.backends} == {"b", "b-c", "b-c-d"}


@pytest.mark.parametrize(("separator", "namespace"), [("_", "b-2"), ("-", "b_2"), ("/", "b")])
def test_an_imported_prefix_gives_way_to_the_configurations_own(separator: str, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"mcpServers": {"b": {"command": "x"}}}')
    gate = tmp_path / "gate.toml"
    own = f'[[backends]]\nname = "b{separator if separator != "/" else "_"}c"\ntransport = "stdio"\ncommand = "x"\n'
    gate.write_text(f'[proxy]\nname = "p"\nseparator = "{separator}"\nimport_backends = "a.json"\n{own}')

    assert load(gate).config.backends[1].effective_namespace == namespace


@pytest.mark.parametrize(
    ("name", "legal"),
    [("ok-1_x", "ok-1_x"), ("a.b", "a-b"), ("@scope/pkg:x", "scope-pkg-x"), ("日本", "server"), ("", "server"), ("x" * 99, "x" * 40)],
)
def test_a_name_becomes_a_legal_namespace(name: str, legal: str) -> None:
    assert legal == legal_namespace(name)


def test_a_namespace_that_is_taken_gets_a_number() -> None:
    spaces = Namespaces("_", ["x", "server"])

    assert [spaces.give(name) for name in ("x", "日本", "中国", "x!")] == ["x-2", "server-2", "server-3", "x-3"]


def test_one_server_that_cannot_be_used_costs_nobody_else_anything(tmp_path: Path) -> None:
    servers = {
        "off": '"command": "npx", "disabled": true, "env": {"T": "${UNSET_X}"}',
        "time": '"command": "mcp-server-time", "args": ["--port", 80, true], "env": {"A": null, "B": 1}',
        "unset": '"command": "x", "env": {"T": "${UNSET_X}"}',
        "asks": '"command": "x", "args": ["${input:key}"]',
        "inside": '"type": "sdk", "name": "x"',
        "number": '"command": 3',
        "line": '"command": "npx -y p"',
        "old": '"transportType": "sse", "url": "http://h/sse"',
        "shape": '"type": "http", "url": "ftp://h"',
        "hidden": '"command": "x", "includeTools": "look"',
    }
    text = ",\n".join(f'"{name}": {{{members}}}' for name, members in servers.items())

    loaded = imported(tmp_path, f'{{"mcpServers": {{\n{text}}}}}')

    off, time, old = loaded.config.backends
    assert (off.name, off.enabled, off.env) == ("off", False, {})
    assert (old.transport, old.url) == ("sse", "http://h/sse")
    assert time.args == ("--port", "80", "true")
    assert time.env == {"B": "1"}
    told = [warning.removeprefix(f"{tmp_path}/.mcp.json:") for warning in loaded.warnings]
    assert told == [
        "4: mcpServers.unset.env.T: the environment variable 'UNSET_X' is not set; the server is left out; set it, or write ${UNSET_X:-default}",
        "5: mcpServers.asks.args[0]: '${input:key}' asks a person, and the gateway cannot; the server is left out; set an environment variable, and write ${env:NAME}",
        "6: mcpServers.inside.type: a server of the type 'sdk' lives inside of its client; the server is left out; take it out, or leave it to that client",
        "7: mcpServers.number.command: a number stands where a text is expected; the server is left out; put it in quotes",
        (
            "8: mcpServers.line.command: backend 'line': 'command' holds arguments, too, and no shell takes it apart; the server is left out; "
            'write the program alone, and args = ["…"] beside it'
        ),
        '10: mcpServers.shape.url: this is no http address; the server is left out; write "http://host:port/path"',
        '11: mcpServers.hidden.includeTools: this is no list of tools; the server is left out; write ["look", "find"]',
    ]


def test_a_table_of_tools_hides_those_that_it_switches_off(tmp_path: Path) -> None:
    tools = '"tools": {"look": {"enabled": true}, "rm*": {"enabled": false}, "find": {"name": "seek"}}, "excludeTools": ["del"]'

    loaded = imported(tmp_path, f'{{"mcpServers": {{"a": {{"command": "x", {tools}}}, "b": {{"command": "x", "tools": {{}}}}}}}}')

    a, b = loaded.config.backends
    assert (a.expose_tools, a.hide_tools, b.expose_tools, b.hide_tools) == ((), ("del", r"rm\*"), (), ())
    assert [warning.partition(": ")[2] for warning in loaded.warnings if "tools" in warning] == [
        "mcpServers.a.tools.find.name: the gateway does not know this member and leaves it out"
    ]
    assert "this is no list of tools" in errors(tmp_path, '{"mcpServers": {"a": {"command": "x", "includeTools": {}}}}')


@pytest.mark.parametrize(
    "members",
    [
        '"env": "none"',
        '"env": ["A"]',
        '"args": "x"',
        '"cwd": 5',
        '"env": {"A": {}}',
        '"envFile": "missing.env"',
        '"env_file": 1, "url": []',
    ],
)
def test_odd_members_leave_out_their_server_alone(members: str, tmp_path: Path) -> None:
    members = members if "url" in members else f'"command": "x", {members}'
    loaded = imported(tmp_path, f'{{"mcpServers": {{"odd": {{{members}}}, "b": {{"command": "x"}}}}}}')

    assert [backend.name for backend in loaded.config.backends] == ["b"]
    assert "mcpServers.odd" in "".join(loaded.warnings)


def test_a_disabled_server_is_not_looked_at(tmp_path: Path) -> None:
    loaded = imported(tmp_path, '{"mcpServers": {"a": {"disabled": true, "args": 3, "x": 1}, "b": {"command": "x"}}}')

    assert [backend.name for backend in loaded.config.backends] == ["b"]
    assert loaded.warnings == ()


@pytest.mark.parametrize(("value", "seconds", "unit"), [(60, 60, "seconds"), (45_000, 45, "milliseconds")])
def test_a_time_without_a_known_client_is_taken_by_its_size_and_that_is_said(value: int, seconds: float, unit: str, tmp_path: Path) -> None:
    path = tmp_path / "my-servers.json"
    path.write_text(f'{{"mcpServers": {{"a": {{"command": "x", "timeout": {value}}}}}}}')

    loaded = from_mcp_json(path, environ={})

    (backend,) = loaded.config.backends
    assert (seconds, seconds) == (backend.connect_timeout_seconds, backend.timeout.seconds)
    assert f"{value} is taken as {unit}" in loaded.warnings[0]


def test_a_short_limit_to_calls_leaves_the_start_its_time(tmp_path: Path) -> None:
    (backend,) = imported(tmp_path, '{"mcpServers": {"a": {"command": "x", "timeout": 5000}}}').config.backends

    assert (backend.connect_timeout_seconds, backend.timeout.seconds) == (30.0, 5.0)


def test_a_time_that_is_none_is_left_out_with_a_word(tmp_path: Path) -> None:
    loaded = imported(tmp_path, '{"mcpServers": {"a": {"command": "x", "timeout": -1}}}')

    assert loaded.config.backends[0].timeout.seconds == 300
    assert "mcpServers.a.timeout: this is no time" in loaded.warnings[0]


def test_many_servers_of_one_name_get_namespaces_quickly(tmp_path: Path) -> None:
    names = [f"日{number}_{'_' * 20}" for number in range(2000)]
    began = time.process_time()

    loaded = imported(tmp_path, json.dumps({"mcpServers": {name: {"command": "x"} for name in names}}))

    assert len({backend.effective_namespace for backend in loaded.config.backends}) == 2000
    assert time.process_time() - began < 4
