"""Seven real servers of npm and PyPI whose tools all have other names for their parameters, some of these hidden or supplied.

Each is called through one tool of the gateway, and through the search, and answers as it does to its own names. Packages are those of
``scripts/peers``, installed once.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from tests.kit.checkout import ROOT

from sluicegate import Builder, Gateway, Reply, open_gateway
from sluicegate.config.model import Config
from sluicegate.settings.composite_tools import CompositeConfig
from sluicegate.settings.parameters import ArgumentsConfig, ParametersConfig

pytestmark = pytest.mark.slow

EVERYTHING = ROOT / ".cache/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
FETCH = ("mcp-server-fetch==2026.10.24",)
PATIENCE = 60
Arguments = Mapping[str, Any]

TOOLS: Mapping[str, Mapping[str, Arguments]] = {
    "everything": {
        "echo": {"message": "hi"},
        "get-annotated-message": {"messageType": "success", "includeImage": False},
        "get-env": {},
        "get-resource-links": {"count": 2},
        "get-resource-reference": {"resourceType": "Text", "resourceId": 1},
        "get-structured-content": {"location": "New York"},
        "get-sum": {"a": 1, "b": 2},
        "get-tiny-image": {},
        "gzip-file-as-resource": {"name": "a", "data": "data:text/plain;base64,aGk=", "outputType": "resourceLink"},
        "toggle-simulated-logging": {},
        "toggle-subscriber-updates": {},
        "trigger-long-running-operation": {"duration": 0.1, "steps": 2},
    },
    "fetch": {"fetch": {"url": "PAGE", "raw": True, "max_length": 20}},
    "filesystem": {
        "create_directory": {"path": "FOLDER/new"},
        "write_file": {"path": "FOLDER/new/a.txt", "content": "one\ntwo\n"},
        "edit_file": {"path": "FOLDER/new/a.txt", "edits": [{"oldText": "one", "newText": "three"}]},
        "read_text_file": {"path": "FOLDER/new/a.txt", "head": 1},
        "read_file": {"path": "FOLDER/new/a.txt"},
        "read_media_file": {"path": "FOLDER/new/a.txt"},
        "read_multiple_files": {"paths": ["FOLDER/new/a.txt"]},
        "get_file_info": {"path": "FOLDER/new/a.txt"},
        "list_directory": {"path": "FOLDER/new"},
        "list_directory_with_sizes": {"path": "FOLDER/new", "sortBy": "size"},
        "directory_tree": {"path": "FOLDER"},
        "search_files": {"path": "FOLDER", "pattern": "**/*.txt"},
        "move_file": {"source": "FOLDER/new/a.txt", "destination": "FOLDER/new/b.txt"},
        "list_allowed_directories": {},
    },
    "memory": {
        "create_entities": {"entities": [{"name": "Ada", "entityType": "person", "observations": ["writes"]}]},
        "create_relations": {"relations": [{"from": "Ada", "to": "Ada", "relationType": "knows"}]},
        "add_observations": {"observations": [{"entityName": "Ada", "contents": ["reads"]}]},
        "search_nodes": {"query": "reads"},
        "open_nodes": {"names": ["Ada"]},
        "delete_observations": {"deletions": [{"entityName": "Ada", "observations": ["reads"]}]},
        "delete_relations": {"relations": [{"from": "Ada", "to": "Ada", "relationType": "knows"}]},
        "read_graph": {},
        "delete_entities": {"entityNames": ["Ada"]},
    },
    "hello": {"echo": {"message": "hi"}, "debug": {}, "add": {"a": 1, "b": 2}},
    "sqlite": {
        "create_table": {"query": "CREATE TABLE t (a INTEGER)"},
        "write_query": {"query": "INSERT INTO t VALUES (42)"},
        "read_query": {"query": "SELECT a FROM t"},
        "list_tables": {},
        "describe_table": {"table_name": "t"},
        "append_insight": {"insight": "42"},
    },
    "abacus": {
        "info": {},
        "help": {"section": "functions", "details": False},
        "calculate": {"expression": "2^10"},
        "analyze": {"expression": "2 + 2"},
        "solver": {"expression": "x - 4 = 0", "variable": "x"},
        "curve_fit": {"x": [1, 2, 3, 4], "y": [2, 4, 6, 8]},
    },
}
"""By server, what each of its tools is called with; those that work on what others have left come after them."""
NOT_CALLED = {"simulate-research-query"}
"""It runs as a task alone, and a part of a tool of the gateway is none."""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"a page of more than twenty letters")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def commands() -> Mapping[str, list[str]]:
    """By server how it is started; what is not there yet is installed, which takes a minute."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        install, servers = (importlib.import_module(f"peering.{name}") for name in ("install", "servers"))
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    fetch = install.python_for("server-fetch", FETCH) / "mcp-server-fetch"
    found = {"everything": ["node", str(EVERYTHING), "stdio"], "fetch": [str(fetch), "--ignore-robots-txt"]}
    return found | {server.name: install.program(server) for server in servers.SERVERS if server.name in TOOLS}


def config_of(command: list[str], folder: Path) -> Config:
    folder.mkdir()
    return Builder("x").backend("s", command, cwd=str(folder), env={"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}).config()


def shape_of(number: int, tool: Mapping[str, Any], given: Arguments) -> tuple[ParametersConfig, ArgumentsConfig | None, Arguments]:
    """How a tool looks, what is supplied, and what a client calls it with: all parameters have other names, the last one is supplied, or hidden."""
    properties, name = list(tool["inputSchema"].get("properties", {})), str(tool["name"]).removeprefix("s_")
    supplied = list(given)[-1:] if len(given) > 1 else []
    is_hidden = number % 2 == 0
    hide = tuple(one for one in properties if one not in given) + (tuple(supplied) if is_hidden else ())
    rename = {one: f"their_{one}" for one in properties if one not in hide}
    parameters = ParametersConfig(
        name, hide, {one: given[one] for one in supplied} if is_hidden else {}, rename, f"Number {number}", "Another one."
    )
    injected = ArgumentsConfig(name, {one: given[one] for one in supplied}, overwrite=True) if supplied and not is_hidden else None
    return parameters, injected, {rename[one]: value for one, value in given.items() if one not in supplied}


def shaped(config: Config, tools: Mapping[str, Mapping[str, Any]], calls: Mapping[str, Arguments]) -> Config:
    shapes = [shape_of(number, tools[name], given) for number, (name, given) in enumerate(calls.items())]
    injected = tuple(one for _, one, _ in shapes if one is not None)
    backend = attrs.evolve(config.backends[0], param_overrides=tuple(one for one, _, _ in shapes), inject_args=injected)
    given = {f"s_{name}": said for name, (_, _, said) in zip(calls, shapes, strict=True)}
    every = CompositeConfig("every", "Calls all of them.", tuple(given), "sequential", arguments=given)
    return attrs.evolve(config, backends=(backend,), composite_tools=(every,))


def plain(text: str, folder: Path) -> str:
    """Without what differs between two runs: the folder, times, and in which order an environment is told."""
    if "LANG" in text:
        return "".join(sorted(re.findall(r"(\w+)[^\w]+: ", text)))
    return re.sub(
        r"\d+:\d\d:\d\d\s[AP]M|\w+ \w+ \d\d \d{4} [\d:]{8} GMT[^\\\\]*|0\.\d+ ?m?s|\d+\.\d+ seconds",
        "TIME",
        text.replace(str(folder), "FOLDER"),
    )


def parts(reply: Reply, folder: Path) -> list[str]:
    assert reply.fault is None, reply.fault
    return [plain(json.dumps(part, sort_keys=True), folder) for part in json.loads(bytes(reply.result))["content"]]


def calls_of(server: str, page: str, folder: Path) -> Mapping[str, Arguments]:
    texts = json.dumps(TOOLS[server]).replace("FOLDER", str(folder)).replace("PAGE", page)
    return dict(json.loads(texts))


async def sought(gateway: Gateway, tool: str, **arguments: Any) -> Any:
    """What one of the tools answers that find others."""
    reply = await gateway.call_tool(tool, arguments)
    assert reply.fault is None, reply.fault
    return json.loads(bytes(reply.result))["structuredContent"]


async def opened(gateway: Gateway) -> dict[str, Mapping[str, Any]]:
    with trio.fail_after(PATIENCE):
        await gateway.ready()
    return {str(tool["name"]).removeprefix("s_"): tool for tool in gateway.list_tools()}


@pytest.mark.parametrize("server", TOOLS)
async def test_every_tool_of_a_real_server_answers_under_its_shape_as_under_its_own(
    server: str, page: str, commands: Mapping[str, list[str]], tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    config = config_of(commands[server], before)
    async with open_gateway(config) as gateway:
        tools = await opened(gateway)
        assert tools.keys() - NOT_CALLED == TOOLS[server].keys()
        expected = [
            part
            for name, given in calls_of(server, page, before).items()
            for part in parts(await gateway.call_tool(f"s_{name}", dict(given)), before)
        ]
    calls = calls_of(server, page, after)
    async with open_gateway(shaped(config_of(commands[server], after), tools, calls)) as gateway:
        looks = await opened(gateway)
        reply = await gateway.call_tool("every")
        rows = json.loads(bytes(reply.result))["_meta"]["sluicegate/composite"]
    assert parts(reply, after) == expected
    assert [row["tool"] for row in rows] == [f"s_{name}" for name in calls]
    for number, name in enumerate(calls):
        assert looks[name]["title"] == f"Number {number}"
        assert all(one.startswith("their_") for one in looks[name]["inputSchema"].get("properties", {}))


@pytest.mark.parametrize("server", TOOLS)
async def test_every_tool_of_a_real_server_is_found_and_called_through_the_search_under_its_shape(
    server: str, page: str, commands: Mapping[str, list[str]], tmp_path: Path
) -> None:
    """DISC-3, DISC-5, DISC-6: one by one, and all of them through the tool of the gateway that calls them."""
    single, whole = tmp_path / "single", tmp_path / "whole"
    async with open_gateway(config_of(commands[server], tmp_path / "looked at")) as gateway:
        tools = await opened(gateway)
    one_by_one: list[str] = []
    calls = calls_of(server, page, single)
    config = shaped(config_of(commands[server], single), tools, calls)
    given: Mapping[str, Any] = config.composite_tools[0].arguments
    async with open_gateway(with_search(config)) as gateway:
        assert all(name.startswith("proxy_") for name in await opened(gateway))
        for number, name in enumerate(calls):
            found = await sought(gateway, "proxy_search_tools", query=f"s_{name}", top_k=3)
            assert f"s_{name}" in [tool["name"] for tool in found["tools"]]
            shown = await sought(gateway, "proxy_get_tool", tool_id=f"s_{name}")
            assert shown["title"] == f"Number {number}"
            assert given[f"s_{name}"].keys() <= shown["input_schema"].get("properties", {}).keys()
            reply = await gateway.call_tool("proxy_call_tool", {"name": f"s_{name}", "arguments": given[f"s_{name}"]})
            one_by_one += parts(reply, single)
    config = shaped(config_of(commands[server], whole), tools, calls_of(server, page, whole))
    async with open_gateway(with_search(config)) as gateway:
        await opened(gateway)
        reply = await gateway.call_tool("proxy_call_tool", {"name": "every", "arguments": {}})
    assert parts(reply, whole) == one_by_one


def with_search(config: Config) -> Config:
    return attrs.evolve(config, proxy=attrs.evolve(config.proxy, tool_exposure="search"))
