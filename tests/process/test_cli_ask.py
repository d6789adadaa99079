"""Asking a gateway from the command line: one that the command itself starts, and one that runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest
import trio
from mcp import Client, StdioServerParameters
from tests.kit.checkout import SLUICEGATE

from sluicegate import open_gateway
from sluicegate.cli.main import main
from sluicegate.config.model import BackendConfig, BearerAuth, Config, ListenConfig, ProxyConfig
from sluicegate.gateway.builder import Builder

pytestmark = pytest.mark.slow

SERVER = Path(__file__).with_name("plain_server.py")
PATIENCE = 30


def sluicegate(*arguments: str, given: str = "") -> tuple[int, str, str]:
    """Run a command; exit code, stdout and stderr."""
    done = subprocess.run([*SLUICEGATE, *arguments], input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


async def ask(*arguments: str) -> tuple[int, str, str]:
    """The same beside a gateway that runs in this process."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process([*SLUICEGATE, *arguments], capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def ask_far(*arguments: str, url: str) -> tuple[int, str, str]:
    """The same in a thread, where it only talks to a gateway at a URL: its libraries are loaded here already, and take over a second to load."""
    out, err = io.StringIO(), io.StringIO()

    def run() -> int:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main([*arguments, "--url", url])
        assert isinstance(end.value.code, int)
        return end.value.code

    with trio.fail_after(PATIENCE):
        code = await trio.to_thread.run_sync(run)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def gate(write_gate: Callable[[str], Path]) -> Path:
    return write_gate(
        """\
[proxy]
name = "gate"
"""
    )


def test_call_prints_the_text_of_the_result(gate: Path) -> None:
    assert sluicegate("call", "one_echo", '{"a": 1}', "-c", str(gate)) == (0, 'one: {"a": 1}\n', "")


def test_call_reads_its_arguments_from_stdin(gate: Path) -> None:
    assert sluicegate("call", "one_echo", "-", "-c", str(gate), given='{"b": 2}')[:2] == (0, 'one: {"b": 2}\n')


def test_call_prints_the_whole_result_for_programs(gate: Path) -> None:
    code, out, _ = sluicegate("call", "one_echo", "-c", str(gate), "--json")
    assert code == 0
    assert json.loads(out) == {"content": [{"type": "text", "text": "one: {}"}]}


def test_call_exits_with_1_when_the_tool_reports_an_error(gate: Path) -> None:
    assert sluicegate("call", "one_fail", "-c", str(gate)) == (1, "it did not work\n", "")


@pytest.mark.parametrize(("name", "told"), [("two_echo", "Unknown tool: two_echo"), ("one_die", "went away")])
def test_call_says_why_there_is_no_result(gate: Path, name: str, told: str) -> None:
    code, out, err = sluicegate("call", name, "-c", str(gate))
    assert (code, out) == (1, "")
    assert told in err
    assert "Traceback" not in err


def test_list_prints_a_line_for_each_with_a_tab(gate: Path) -> None:
    code, out, err = sluicegate("list", "tools", "-c", str(gate))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "one_echo\techo of one"
    assert len(out.splitlines()) == 4
    assert sluicegate("list", "prompts", "-c", str(gate))[1] == "one_greet\ta greeting\n"
    code, out, _ = sluicegate("list", "resources", "-c", str(gate), "--json")
    assert code == 0
    assert len(json.loads(out)) == 1


def test_check_connect_says_what_came_of_every_backend(gate: Path) -> None:
    code, out, _ = sluicegate("check", "-c", str(gate), "--connect")
    assert code == 0
    assert "one\tstdio\tready\t2025-11-25\t4 tools, 1 resources, 1 prompts" in out
    gate.write_text(gate.read_text() + '[[backends]]\nname = "two"\ntransport = "stdio"\ncommand = "no-such-program-here"\n')
    code, out, err = sluicegate("check", "-c", str(gate), "--connect", "--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (1, False)
    assert [(entry["name"], entry["state"] == "ready") for entry in told["backends"]] == [("one", True), ("two", False)]
    assert "no-such-program-here" in told["backends"][1]["error"]
    assert "Traceback" not in err


def test_check_connect_lists_what_clients_could_not_read(gate: Path) -> None:
    gate.write_text(gate.read_text().replace('"one"]', '"odd"]'))
    code, out, _ = sluicegate("check", "-c", str(gate), "--connect")
    assert code == 0
    assert "one\ttool\tbad\tinputSchema is missing; it is listed without that fault" in out


def test_a_required_backend_that_is_missing_is_an_error_to_a_call_and_a_row_to_a_look(gate: Path) -> None:
    gate.write_text(
        gate.read_text() + '[[backends]]\nname = "two"\ntransport = "stdio"\ncommand = "no-such-program-here"\nrequired = true\n'
    )
    code, out, err = sluicegate("call", "one_echo", "-c", str(gate))
    assert (code, out) == (1, "")
    assert err.startswith("Error: [two] Connect failed")
    code, out, err = sluicegate("show", "backends", "-c", str(gate))
    assert code == 0
    assert [line.split("\t")[:3] for line in out.splitlines()] == [["one", "stdio", "ready"], ["two", "stdio", "restarting"]]


def test_show_backends_is_a_table(gate: Path) -> None:
    code, out, _ = sluicegate("show", "backends", "-c", str(gate))
    assert code == 0
    assert out.startswith("one\tstdio\tready\t")


def test_show_pipeline_starts_nothing(gate: Path) -> None:
    gate.write_text(gate.read_text().replace(f"command = {json.dumps(sys.executable)}", 'command = "no-such-program-here"'))
    code, out, err = sluicegate("show", "pipeline", "-c", str(gate))
    assert (code, err) == (0, "")
    assert "Deadline" in out


async def test_a_running_gateway_answers_at_its_url() -> None:
    builder = Builder("gate").backend("one", [sys.executable, str(SERVER), "one"])
    async with builder.open() as gateway, trio.open_nursery() as nursery:
        [url, *_] = await nursery.start(gateway.serve)
        assert await ask("call", "one_echo", '{"a": 1}', "--url", f"{url}/mcp") == (0, 'one: {"a": 1}\n', "")
        code, out, _ = await ask_far("list", "tools", url=f"{url}/mcp")
        assert (code, out.splitlines()[0]) == (0, "one_echo\techo of one")
        code, out, err = await ask_far("call", "two_echo", url=f"{url}/mcp")
        assert (code, out) == (1, "")
        assert "Unknown tool: two_echo" in err
        code, out, err = await ask_far("call", "one_echo", url=f"{url}/nothing-here")
        assert (code, out) == (1, "")
        assert "Traceback" not in err
        nursery.cancel_scope.cancel()


async def test_a_gateway_with_tokens_is_asked_with_one(tmp_path: Path) -> None:
    server = BackendConfig("one", "stdio", command=sys.executable, args=(str(SERVER), "one"))
    config = Config(ProxyConfig("gate", listen=ListenConfig(port=0)), (server,), auth=BearerAuth(("secret",)))
    async with open_gateway(config) as gateway, trio.open_nursery() as nursery:
        [url, *_] = await nursery.start(gateway.serve)
        given = {
            "no token": (),
            "a token": ("--token", "secret"),
            "a header": ("--header", "X-Other: 1", "--header", " Authorization :  Bearer secret"),
        }
        done = {name: await ask_far("call", "one_echo", *options, url=f"{url}/mcp") for name, options in given.items()}
        assert {name: code for name, (code, _, _) in done.items()} == {"no token": 1, "a token": 0, "a header": 0}
        assert "Traceback" not in "".join(err for _, _, err in done.values())
        nursery.cancel_scope.cancel()


async def test_a_list_of_many_pages_and_a_result_are_shown_as_they_came_from_near_and_far(write_gate: Callable[[str], Path]) -> None:
    gate = write_gate('[proxy]\nname = "gate"\npage_size = 3\n')

    async def near(*arguments: str) -> tuple[int, str, str]:
        return await ask(*arguments, "-c", str(gate))

    builder = Builder("gate").proxy(page_size=3).backend("one", [sys.executable, str(SERVER), "one"])
    async with builder.open() as gateway, trio.open_nursery() as nursery:
        [url, *_] = await nursery.start(gateway.serve)
        for asking in (near, partial(ask_far, url=f"{url}/mcp")):
            code, out, err = await asking("list", "tools", "--json")
            assert (code, err) == (0, "")
            assert [tool["name"] for tool in json.loads(out)] == ["one_echo", "one_slow", "one_fail", "one_die"]
            assert json.loads(out)[0]["inputSchema"] == {"type": "object"}
            code, out, err = await asking("call", "one_fail", "--json")
            assert (code, err) == (1, "")
            assert json.loads(out) == {"content": [{"type": "text", "text": "it did not work"}], "isError": True}
        nursery.cancel_scope.cancel()


def test_a_url_where_nobody_listens_is_an_error(gate: Path) -> None:
    del gate
    code, out, err = sluicegate("list", "tools", "--url", "http://127.0.0.1:9/mcp")
    assert (code, out) == (1, "")
    assert "http://127.0.0.1:9/mcp" in err
    assert "Traceback" not in err


async def test_a_desktop_client_speaks_to_it_on_stdio(gate: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "sluicegate", "run", "-c", str(gate), "--stdio"], env=dict(os.environ)
    )
    with trio.fail_after(PATIENCE):
        async with Client(parameters, mode="legacy") as client:
            assert next(tool.name for tool in (await client.list_tools()).tools) == "one_echo"
            result = await client.call_tool("one_echo", {"a": 1})
            assert [part.text for part in result.content if part.type == "text"] == ['one: {"a": 1}']


async def test_connect_brings_a_desktop_client_to_a_running_gateway() -> None:
    builder = Builder("gate").backend("one", [sys.executable, str(SERVER), "one"])
    async with builder.open() as gateway, trio.open_nursery() as nursery:
        [url, *_] = await nursery.start(gateway.serve)
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "sluicegate", "connect", f"{url}/mcp"], env=dict(os.environ))
        with trio.fail_after(PATIENCE):
            async with Client(parameters, mode="legacy") as client:
                result = await client.call_tool("one_echo", {"a": 1})
                assert [part.text for part in result.content if part.type == "text"] == ['one: {"a": 1}']
        nursery.cancel_scope.cancel()


def test_stdio_ends_with_its_client(gate: Path) -> None:
    assert sluicegate("run", "-c", str(gate), "--stdio")[:2] == (0, "")


def test_connect_ends_with_its_client(gate: Path) -> None:
    del gate
    assert sluicegate("connect", "http://127.0.0.1:9/mcp")[:2] == (0, "")


def test_a_check_that_connects_tells_of_rules_that_cannot_be_met(write_gate: Callable[[str], Path]) -> None:
    rules = 'param_overrides = [{ tool = "gone", hide = ["x"] }]\n'
    path = write_gate('[proxy]\nname = "gate"\n')
    path.write_text(path.read_text() + rules)
    code, out, _ = sluicegate("check", "--connect", "-c", str(path))
    assert (code, "Not as the configuration wants it:" in out, "there are rules for a tool that is not listed" in out) == (1, True, True)
    code, out, _ = sluicegate("check", "--connect", "--json", "-c", str(path))
    assert (code, [mistake["name"] for mistake in json.loads(out)["backends"][0]["mistakes"]]) == (1, ["gone"])
