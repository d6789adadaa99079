"""A real Redis or Valkey under load that dies, hangs, is full or comes back empty: no call fails, few wait, and it is used again by itself."""

from __future__ import annotations

import math
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from tests.kit.identity_provider import free_port

from sluicegate import Builder, Gateway
from sluicegate.policies.cache import Cache
from sluicegate.policies.outside_store import OutsideStore
from sluicegate.protocol.calls import Call
from sluicegate.testing.backend import ScriptedBackend

pytestmark = [
    pytest.mark.slow,
    # the client of Redis leaves what it had in memory for a connection that is lost to the garbage collector
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]
LOOK = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
WORKERS = 8
PATIENCE = 30
LONGEST_WAIT = 0.25
"""Seconds that a call may wait for a store."""


@attrs.define
class Server:
    """Either program of Debian's; it keeps nothing on disk, so that one that is started again is empty."""

    folder: Path
    port: int = attrs.field(factory=free_port)
    process: trio.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        assert program is not None, "install Debian's valkey-server or redis-server"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while (await self.ask("PING")) != "+PONG":  # noqa: ASYNC110  another process has no event for it
            await trio.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()

    async def ask(self, line: str) -> str:
        """What it answers to a command, as it is written on the wire."""
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                await stream.send_all(f"{line}\r\n".encode())
                return (await stream.receive_some(1000)).decode().strip()
        except OSError:
            return ""

    async def entries(self) -> int:
        return int(re.sub(r"\D", "", await self.ask("DBSIZE")) or 0)


@attrs.define
class Load:
    """Callers who ask for what may have been kept, most of it several times."""

    gateway: Gateway
    seconds: list[float] = attrs.field(factory=list)
    failed: list[object] = attrs.field(factory=list)
    asked: int = 0

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._call_on)

    async def _call_on(self) -> None:
        while True:
            self.asked += 1
            number, began = self.asked // 3, trio.current_time()
            reply = await self.gateway.handler(Call.tool("b_look", {"n": number}))
            self.seconds.append(trio.current_time() - began)
            if reply.fault is not None or not reply.text.startswith(f'look {{"n":{number}}}'):
                self.failed.append(reply.fault or reply.text)
            await trio.sleep(0.005)

    async def measured(self, during: Callable[[], Awaitable[object]]) -> tuple[float, int]:
        """The 99th percentile of the calls meanwhile, and how many waited for the store until they gave it up."""
        self.seconds.clear()
        await during()
        some = sorted(self.seconds)
        return some[math.ceil(0.99 * len(some)) - 1], sum(seconds >= LONGEST_WAIT for seconds in some)


@asynccontextmanager
async def loaded(folder: Path) -> AsyncGenerator[tuple[Server, Load], None]:
    """A server, and a gateway in use that has its answers there; a call has failed nowhere afterwards."""
    server = Server(folder)
    builder = Builder("x").cache(backend="redis", url=server.url)
    builder.backend("b", ScriptedBackend(tools=[LOOK]).connector, cache={"tool_ttl_seconds": 60, "max_entries": 500})
    try:
        with trio.fail_after(PATIENCE):
            await server.start()
            async with builder.open(strict=True) as gateway, trio.open_nursery() as nursery:
                load = Load(gateway)
                nursery.start_soon(load.run)
                await until_it_is_used(server)
                yield server, load
                nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await server.end()
    assert not load.failed


async def until_it_is_used(server: Server) -> None:
    before = await server.entries()
    while await server.entries() <= before:  # noqa: ASYNC110  another process has no event for it
        await trio.sleep(0.05)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for record in caplog.records if "a store" in (message := record.getMessage()) and record.levelname == "WARNING"]


async def nothing() -> None:
    await trio.sleep(1)


async def dies(server: Server) -> None:
    """``kill -9``, and after a second there is another one, which is empty."""
    await server.end()
    await trio.sleep(1)
    await server.start()


async def hangs(server: Server) -> None:
    server.send(signal.SIGSTOP)
    await trio.sleep(5)
    server.send(signal.SIGCONT)


async def is_full(server: Server) -> None:
    assert await server.ask("CONFIG SET maxmemory 1") == "+OK"
    await trio.sleep(1)
    assert await server.ask("CONFIG SET maxmemory 0") == "+OK"


async def is_emptied(server: Server) -> None:
    """As by somebody else, or by a restart that nobody notices."""
    assert await server.ask("FLUSHALL") == "+OK"
    await trio.sleep(0.5)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_the_first_call_is_a_miss_and_the_second_a_hit_until_all_is_cleared(kind: str, tmp_path: Path) -> None:
    """TST-K1, TST-K2, TST-K3, TST-K4."""
    server, scripted = Server(tmp_path), ScriptedBackend(tools=[LOOK])
    url = {"sqlite": str(tmp_path / "answers.sqlite"), "redis": server.url}[kind]
    builder = Builder("x").cache(backend=kind, url=url).backend("b", scripted.connector, cache={"tool_ttl_seconds": 60})
    try:
        with trio.fail_after(PATIENCE):
            await server.start()
            async with builder.open(strict=True) as gateway:
                cache = gateway.policies["b"].cache
                assert cache is not None
                await reached(cache)
                assert [await hits(gateway, cache) for _ in range(3)] == [(0, 1), (1, 1), (2, 1)]
                gateway.clear_caches()
                assert (cache.hits, cache.misses) == (0, 0)
                assert [await hits(gateway, cache) for _ in range(2)] == [(0, 1), (1, 1)]
            async with builder.open(strict=True) as gateway:
                cache = gateway.policies["b"].cache
                assert cache is not None
                await reached(cache)
                assert await hits(gateway, cache) == (1, 0)  # it outlives the gateway
        assert scripted.calls == 2
    finally:
        with trio.CancelScope(shield=True):
            await server.end()


async def reached(cache: Cache) -> None:
    """Until it is asked there."""
    store = cache.stores["tools/call"]
    assert isinstance(store, OutsideStore)
    while not store.values.is_there:  # noqa: ASYNC110  another process has no event for it
        await trio.sleep(0.01)


async def hits(gateway: Gateway, cache: Cache) -> tuple[int, int]:
    """After another call."""
    assert (await gateway.call_tool("b_look", {"n": 1})).fault is None
    return cache.hits, cache.misses


@pytest.mark.parametrize(
    ("happens", "warning"),
    [(dies, "a store is away"), (hangs, "a store is away"), (is_full, "a store refuses"), (is_emptied, "")],
    ids=["kill -9", "SIGSTOP", "maxmemory", "no data"],
)
async def test_no_call_fails_whatever_happens_to_the_server(
    happens: Callable[[Server], Awaitable[None]], warning: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CACHE-5: calls wait a quarter of a second at most, and each caller a few times; nobody has to bring it back."""
    async with loaded(tmp_path) as (server, load):
        quiet, _ = await load.measured(nothing)

        async def until_it_is_over() -> None:
            await happens(server)
            await until_it_is_used(server)

        p99, waited = await load.measured(until_it_is_over)
        told = warnings(caplog)
        print(f"p99 {quiet * 1000:.1f} ms before, {p99 * 1000:.1f} ms meanwhile, of {len(load.seconds)} calls {waited} waited")  # noqa: T201
    assert len(told) == bool(warning), told
    assert all(warning in message for message in told)
    assert waited <= 3 * WORKERS
    assert p99 <= 2 * quiet + 0.02
