"""Files as they are written for gateways of this kind, from a developer's laptop to a full stack: each is read, run, and called through.

Their programs are played in memory; all else is what ``sluicegate run`` would do with them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from sluicegate import open_gateway
from sluicegate.config.load import load
from sluicegate.gateway.opening import Gateway
from sluicegate.protocol.messages import Request
from sluicegate.testing.backend import ScriptedBackend
from sluicegate.testing.network import MemoryOutside, open_outside
from sluicegate.testing.script import Delay, RpcError
from sluicegate.testing.scripted_program import program_of

Clock = trio.testing.MockClock
FILES = Path(__file__).parent / "files"
ENVIRONMENT = {"TEAM_TOKEN": "t0ken-of-the-team", "BOOKS_KEY": "b00ks"}


@asynccontextmanager
async def running(name: str, backends: Mapping[str, ScriptedBackend]) -> AsyncGenerator[tuple[Gateway, MemoryOutside], None]:
    loaded = load(FILES / f"{name}.toml", environ=ENVIRONMENT)
    assert loaded.planned == ()
    async with open_outside() as world:
        for command, backend in backends.items():
            world.processes.add(command, program_of(backend))
        async with open_gateway(loaded.config, outside=world.outside) as gateway:
            await gateway.settled()
            yield gateway, world


def names(gateway: Gateway) -> list[Any]:
    return [tool["name"] for tool in gateway.list_tools()]


def arguments(backend: ScriptedBackend) -> list[Any]:
    calls = [message for message in backend.received if isinstance(message, Request) and message.method == "tools/call"]
    return [json.loads(bytes(call.params["arguments"])) for call in calls]


async def answer(gateway: Gateway, tool: str, given: Mapping[str, Any] | None = None) -> str:
    reply = await gateway.call_tool(tool, dict(given or {}))
    assert reply.fault is None, reply
    return reply.text


async def refusal(gateway: Gateway, tool: str, given: Mapping[str, Any] | None = None) -> str:
    reply = await gateway.call_tool(tool, dict(given or {}))
    assert reply.fault is not None
    return reply.fault.message


@pytest.mark.parametrize("file", sorted(FILES.glob("*.toml")), ids=lambda file: file.stem)
def test_every_file_is_read_with_nothing_left_to_be_built(file: Path) -> None:
    """TST-X1."""
    loaded = load(file, environ=ENVIRONMENT)
    assert (loaded.planned, loaded.config.planned) == ((), ())


async def test_a_laptop(autojump_clock: Clock) -> None:
    """Names, filters and aliases, each where it was written."""
    # TST-E1, TST-E2, TST-E3, TST-E7, TST-E8, TST-E9, TST-E10, TST-E47, TST-I1, TST-I2, TST-I3, TST-I4, TST-I5
    files, math, text = (
        ScriptedBackend(tools=["read_file", "delete_file"]),
        ScriptedBackend(tools=["add", "sub"]),
        ScriptedBackend(tools=["upper"]),
    )
    async with running("laptop", {"files": files, "math": math, "text": text}) as (gateway, world):
        assert names(gateway) == ["files/cat", "math/add", "text/upper"]
        assert await answer(gateway, "files/cat", {"path": "/a"}) == 'read_file {"path":"/a"} #1'
        assert await answer(gateway, "math/add", {"a": 100, "b": 200}) == 'add {"a":100,"b":200} #1'
        assert await answer(gateway, "text/upper", {"text": "hello"}) == 'upper {"text":"hello"} #1'
        for hidden in ("files/delete_file", "math/sub"):
            assert "not available" in await refusal(gateway, hidden)
        assert "nowhere/tool" in await refusal(gateway, "nowhere/tool")
        spec = next(process.spec for process in world.processes.started if process.spec.command == "files")
        assert (list(spec.args), spec.env["FILES_MODE"]) == (["--root", "/home/me"], "rw")


async def test_shaped_tools(autojump_clock: Clock) -> None:
    """What is given for a caller, hidden from him, or called otherwise."""
    # TST-E11, TST-E12, TST-E13, TST-E14, TST-E45, TST-E46, TST-I6, TST-I12, TST-I13, TST-I14, TST-I15
    schema = {"type": "object", "properties": {"q": {}, "database": {}, "timeout": {}, "dry_run": {}}, "required": ["q", "database"]}
    db, text = ScriptedBackend(tools=[{"name": "query", "inputSchema": schema}, "explain", "ping"]), ScriptedBackend(tools=["upper"])
    async with running("shaped", {"db": db, "text": text}) as (gateway, _world):
        shown = gateway.list_tools()[0]["inputSchema"]
        assert isinstance(shown, dict)
        assert (set(shown["properties"]), shown["required"]) == ({"sql", "timeout", "dry_run"}, ["sql"])
        await answer(gateway, "db/query", {"sql": "select 1", "dry_run": True})
        await answer(gateway, "db/explain")
        await answer(gateway, "db/ping", {"timeout": 60})
        assert "database" in await refusal(gateway, "db/query", {"sql": "x", "database": "secrets"})
        assert arguments(db) == [
            {"q": "select 1", "dry_run": False, "timeout": 30, "database": "reports"},
            {"timeout": 5, "dry_run": True},
            {"timeout": 60, "dry_run": True},
        ]
        assert await answer(gateway, "text/upper") == "upper {} #1", "what is empty is as large as may be, and others get nothing of it"
        assert "exceed maximum size" in await refusal(gateway, "text/upper", {"text": "x" * 200})


async def test_people_who_may_look_and_not_touch(autojump_clock: Clock) -> None:
    """FLT-3, FLT-4: by annotations, in lists and in calls."""

    def tool(name: str, **annotations: bool) -> dict[str, object]:
        return {"name": name, "inputSchema": {"type": "object"}, "annotations": annotations}

    repo = ScriptedBackend(tools=[tool("log", readOnlyHint=True), tool("push", destructiveHint=True), tool("tag", destructiveHint=False)])
    mail = ScriptedBackend(tools=[tool("read", readOnlyHint=True), tool("draft_list", readOnlyHint=True), tool("send"), "forward"])
    async with running("careful", {"repo": repo, "mail": mail}) as (gateway, _world):
        assert names(gateway) == ["repo.log", "repo.tag", "mail.read"]
        assert await answer(gateway, "repo.log") == "log {} #1"
        for hidden in ("repo.push", "mail.send", "mail.forward", "mail.draft_list"):
            assert "not available" in await refusal(gateway, hidden)
        assert (repo.calls, mail.calls) == (1, 0)


async def test_many_clients_that_ask_for_the_same(autojump_clock: Clock) -> None:
    """TST-I7, TST-I10, TST-I17, TST-E42, TST-E43: kept answers, one call for all who ask together, and no cross-talk."""
    look = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    docs, slow = ScriptedBackend(tools=[look, "secret"]), ScriptedBackend(Delay(2), tools=[look])
    async with running("busy", {"docs": docs, "slow": slow}) as (gateway, _world):
        assert [await answer(gateway, "docs/look", {"q": 1}) for _ in range(2)] == ['look {"q":1} #1'] * 2
        assert await answer(gateway, "docs/look", {"q": 2}) == 'look {"q":2} #2'
        cache = gateway.policies["docs"].cache
        assert cache is not None
        assert (cache.hits, cache.misses) == (1, 2)
        for _ in range(2):
            assert "not available" in await refusal(gateway, "docs/secret"), "what is hidden is not kept either"
        gateway.clear_caches()
        assert (cache.hits, cache.misses) == (0, 0)
        said: list[str] = []

        async def ask(tool: str, number: int) -> None:
            said.append(await answer(gateway, tool, {"n": number}))

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, "docs/look", number)
                nursery.start_soon(ask, "slow/look", number // 5)
        assert slow.calls == 2, "ten ask for two"
        assert sorted(text.split("#")[0] for text in said if text.startswith("look")) == sorted(
            [f'look {{"n":{number}}} ' for number in range(10)] + [f'look {{"n":{number // 5}}} ' for number in range(10)]
        )


async def test_a_new_version_on_trial(autojump_clock: Clock) -> None:
    """TST-I16, TST-I20, FLT-5: a tenth of the calls, a copy of half of them, and somebody for when all else fails."""
    api, tried, shadow, far = ScriptedBackend(), ScriptedBackend(), ScriptedBackend(), ScriptedBackend()
    async with running("rollout", {"api": api, "api-next": tried, "api-shadow": shadow, "api-far": far}) as (gateway, _world):
        assert names(gateway) == ["api/echo", "api-shadow/echo"]
        for _ in range(100):
            assert (await answer(gateway, "api/echo")).startswith("echo {} #")
        await trio.testing.wait_all_tasks_blocked()
        assert (api.calls, tried.calls, shadow.calls, far.calls) == (90, 10, 50, 0)
        assert "api-next/echo" in await refusal(gateway, "api-next/echo")
        api.steps = tried.steps = (RpcError(-32603),)
        assert (await answer(gateway, "api/echo")).startswith("echo {} #1")
        assert far.calls == 1


async def test_all_of_it(autojump_clock: Clock) -> None:
    """TST-E15, TST-E44, TST-I11, TST-I21, CMP-1, CMP-2, CMP-3: aliases, filters, arguments, limits, a cache, a canary, a mirror and a composite tool."""
    find = {"name": "find", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    lend = {"name": "borrow", "inputSchema": {"type": "object"}, "annotations": {"destructiveHint": False}}
    burn = {"name": "find_and_burn", "inputSchema": {"type": "object"}, "annotations": {"destructiveHint": True}}
    books, tried = ScriptedBackend(tools=[find, lend, burn, "delete"]), ScriptedBackend(tools=[find, lend])
    web, copy = ScriptedBackend(tools=["search"]), ScriptedBackend(tools=["search"])
    async with running("full", {"books": books, "books-next": tried, "web": web, "web-copy": copy}) as (gateway, world):
        assert sorted(names(gateway)) == ["books/find", "books/lend", "look_everywhere", "web-copy/search", "web/search"]
        reply = await gateway.call_tool("look_everywhere", {"q": "trio"})
        assert reply.fault is None
        texts = [part["text"] for part in reply.value["content"]]  # type: ignore[attr-defined]
        assert texts == ['find {"q":"trio","lang":"en"} #1', 'search {"q":"trio","region":"eu"} #1']
        assert await answer(gateway, "books/find", {"q": "trio"}) == texts[0], "and that was kept"
        assert await answer(gateway, "books/lend", {"id": 1}) in ('borrow {"id":1,"lang":"en"} #2', 'borrow {"id":1,"lang":"en"} #1')
        for hidden in ("books/borrow", "books/delete", "books/find_and_burn", "books-next/find"):
            await refusal(gateway, hidden)
        await trio.testing.wait_all_tasks_blocked()
        assert arguments(copy) == [{"q": "trio", "region": "eu"}]
        spec = next(process.spec for process in world.processes.started if process.spec.command == "books")
        assert spec.env["BOOKS_KEY"] == "b00ks"
        assert "b00ks" not in repr(gateway.config)
