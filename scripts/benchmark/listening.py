"""Very many clients without a session that listen: what each takes while nothing happens, and how soon all have heard of a changed list."""

from __future__ import annotations

import gc
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from sluicegate.protocol.messages import encode
from sluicegate.routing.directory import ListChange

from .application import Exchange, Instant, opened
from .stopwatch import watching

__all__ = ["listening"]

STREAMS = 10_000
VERSION, METHOD = "2026-07-28", "subscriptions/listen"
HEADERS = [
    (b"host", b"localhost"),
    (b"accept", b"application/json, text/event-stream"),
    (b"content-type", b"application/json"),
    (b"mcp-protocol-version", VERSION.encode()),
    (b"mcp-method", METHOD.encode()),
]
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}


@attrs.define(eq=False)
class Stream(Exchange):
    """One of them, which counts what it is told, and keeps nothing."""

    told: int = 0

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.body":
            self.told += message["body"].count(b"list_changed")


def stream(number: int) -> Stream:
    """One that waits for changed tools."""
    params = {"_meta": META, "notifications": {"toolsListChanged": True}}
    return Stream(encode({"jsonrpc": "2.0", "id": number, "method": METHOD, "params": params}), HEADERS)


async def listening() -> dict[str, float]:
    """MiB more for all of them, seconds until the last has heard, also of processor time, and for how long nobody else was served then (ms)."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4 / 1024

    async with trio.open_nursery() as clients, opened(Instant()) as gateway:
        table = gateway._app.sessions  # noqa: SLF001  nobody else needs it
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        before = resident()
        streams = [stream(number) for number in range(STREAMS)]
        for one in streams:
            clients.start_soon(one.run, gateway.asgi_app)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        more = resident() - before
        assert len(table.listeners) == STREAMS
        async with watching() as stopwatch:
            began, used = time.monotonic(), time.process_time()
            table.announce(ListChange(frozenset({"notifications/tools/list_changed"})))
            while not all(one.told for one in streams):  # noqa: ASYNC110  they tell nobody
                await trio.sleep(0.005)
            seconds, used = time.monotonic() - began, time.process_time() - used
        gateway.stop_accepting()
        for one in streams:
            await one.ended.wait()
    found = {"MiB": more, "seconds": seconds, "CPU seconds": used, "turn": stopwatch.turn, "step": stopwatch.step}
    return {name: round(value, 2) for name, value in found.items()}
