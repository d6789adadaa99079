"""The tasks of one connection behind Hypercorn's parts: one for each request, and no request can block the connection when it is over.

Hypercorn hands events over through a channel that stays open when the application has ended, so that a client which goes on sending a body
that nobody reads would hold its connection for ever. Here the channel ends with the application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent
from hypercorn.typing import Scope as HypercornScope

from ..http1.asgi import CLIENT_CERTIFICATE, ON_DISCONNECT, ASGIApp, Scope
from ..http1.server.forwarded import PeerAddress, seen_through
from ..http1.server.hang_up import is_hang_up
from ..http1.server.settings import Networks
from ..telling.loggers import get_logger

__all__ = ["Tasks"]

log = get_logger("sluicegate.frontend")

Put = Callable[[ASGIReceiveEvent], Awaitable[None]]
Answer = Callable[[ASGISendEvent | None], Awaitable[None]]


class Tasks(TaskGroup):
    """Owns the tasks of one connection."""

    def __init__(self, peer: PeerAddress, trusted: Networks, certificate: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._certificate = certificate
        self._peer = peer
        self._trusted = trusted

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self.nursery.child_tasks)

    @property
    def nursery(self) -> trio.Nursery:
        """Where they live."""
        return cast("trio.Nursery", self._nursery)

    async def spawn_app(self, app: AppWrapper, config: Config, scope: HypercornScope, send: Answer) -> Put:
        """Start the application for a request; returns what takes the request's events."""
        events_in, events = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)
        going = _Going()
        plain = cast("Scope", scope)
        self._introduce(plain)
        plain["extensions"][ON_DISCONNECT] = going.register
        if self._certificate:
            plain["extensions"][CLIENT_CERTIFICATE] = self._certificate

        async def put(event: ASGIReceiveEvent) -> None:
            if event["type"] in {"http.disconnect", "websocket.disconnect"}:
                going.tell()
            with suppress(trio.BrokenResourceError):  # the application has ended
                await events_in.send(event)

        self.nursery.start_soon(_run, cast("ASGIApp", cast("ASGIWrapper", app).app), plain, events, send)
        return put

    def _introduce(self, scope: Scope) -> None:
        """Say who is asking: the peer, or whom a proxy that is trusted speaks for."""
        scope["server"] = self._peer.server
        if self._peer.is_proxy:
            scope["client"], scheme = seen_through(self._peer, scope["headers"], self._trusted)
            if any(name == b"x-forwarded-proto" for name, _ in scope["headers"]):
                scope["scheme"] = scheme


async def _run(app: ASGIApp, scope: Scope, events: trio.MemoryReceiveChannel[ASGIReceiveEvent], send: Answer) -> None:
    """One request; a bug in the application costs this request only."""
    with events:
        try:
            await app(scope, cast("Any", events.receive), cast("Any", send))
        except Exception as error:  # whatever an application raises
            if is_hang_up(error):
                cast("HTTPStream", cast("Any", send).__self__).state = ASGIHTTPState.CLOSED  # else it would answer with 500
            else:
                log.exception("bug in the application", path=scope.get("path"))
    await send(None)  # answers with 500 if there is no answer yet


class _Going:
    """Tells once that the client has gone, to whoever asked in time."""

    def __init__(self) -> None:
        self._gone = False
        self._callbacks: list[Callable[[], None]] = []

    def register(self, callback: Callable[[], None]) -> None:
        """Call it as soon as the client has gone; at once if it has."""
        if self._gone:
            callback()
        else:
            self._callbacks.append(callback)

    def tell(self) -> None:
        """The client has gone."""
        self._gone, callbacks, self._callbacks = True, self._callbacks, []
        for callback in callbacks:
            callback()
