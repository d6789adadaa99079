"""An ASGI application behind our own HTTP server on a network in memory: what an HTTP backend talks to in tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio
import trio.testing

from sluicegate.http1.asgi import ASGIApp, Receive, Send
from sluicegate.http1.server.server import HangUp, ServerSettings, serve
from sluicegate.testing.memory_wire import MemoryNetwork, MemoryStream

__all__ = ["Site", "open_site"]


@attrs.define(eq=False)
class Site:
    """Serves the application, whatever the host and the port; its `open_stream` is to be handed to the client."""

    app: ASGIApp
    connections: trio.Nursery
    settings: ServerSettings = attrs.field(factory=ServerSettings)
    running: int = attrs.field(default=0, init=False)
    """Requests that the application works on."""
    requests: int = attrs.field(default=0, init=False)
    """Requests that reached the application."""
    dialled: list[tuple[str, int]] = attrs.field(factory=list, init=False)
    """Host and port of every attempt to connect."""
    failures: list[Exception] = attrs.field(factory=list, init=False)
    """What the application raised, other than `HangUp`, while its client was there."""
    _ends: list[MemoryStream] = attrs.field(factory=list, init=False)
    _network: MemoryNetwork = attrs.field(factory=MemoryNetwork, init=False)
    _accepting: trio.CancelScope | None = attrs.field(default=None, init=False)

    @property
    def open(self) -> int:
        """Connections that the client has not closed."""
        self._ends = [end for end in self._ends if not end.closed]
        return len(self._ends)

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        """Connect; raises ``OSError`` while nothing is served."""
        self.dialled.append((host, port))
        end = await self._network.open_stream(host, 80)
        self._ends.append(end)
        return end

    async def start(self) -> None:
        """Take connections."""
        await self.connections.start(self._accept)

    async def stop(self) -> None:
        """Refuse connections and close idle ones; requests under way are answered."""
        assert self._accepting is not None
        self._accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def _accept(self, *, task_status: trio.TaskStatus[list[str]]) -> None:
        listeners = await self._network.listen("memory", 80)
        with trio.CancelScope() as self._accepting:
            await serve(self._run, listeners, connections=self.connections, settings=self.settings, task_status=task_status)

    async def _run(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"this site has no {scope['type']}")
        self.requests += 1
        self.running += 1
        try:
            await self.app(scope, receive, send)
        except (HangUp, OSError):
            raise
        except Exception as failure:
            self.failures.append(failure)
            raise
        finally:
            self.running -= 1


@asynccontextmanager
async def open_site(app: ASGIApp, settings: ServerSettings | None = None) -> AsyncGenerator[Site, None]:
    """A site that takes connections; what its application raised is raised at the end, and no client may have left a connection open."""
    async with trio.open_nursery() as connections:
        make = partial(Site, settings=settings) if settings else Site
        site = make(app, connections)
        await site.start()
        yield site
        left = site.open
        connections.cancel_scope.cancel()
    if site.failures:
        raise ExceptionGroup("the application failed", site.failures)
    assert left == 0, f"{left} connections were left open"
