"""A running gateway as a stdio server: lines on one side, Streamable HTTP on the other.

Messages pass as they are. While the daemon restarts the bridge waits, and when the daemon has forgotten the session it plays the client's own
``initialize`` again, so that the client notices nothing but a pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from ..channel.lines import Oversized, as_line
from ..channel.oversized import refuse_oversized
from ..channel.reading import read_lines
from ..protocol.eras import OPENS
from ..protocol.errors import INTERNAL_ERROR
from ..protocol.messages import Malformed, Notification, Request, decode, encode, encode_error
from ..telling.loggers import get_logger
from .daemon_answer import LONGEST_MESSAGE, DeliveryFailed
from .daemon_link import DaemonLink

if TYPE_CHECKING:
    import httpx2

__all__ = ["bridge"]

log = get_logger("sluicegate.bridge")

CONNECT_SECONDS = 5.0
DRAIN_SECONDS = 5.0
FAREWELL_SECONDS = 2.0
MOST_WAITING = 16
"""Lines that were read and could not be delivered yet."""
MOST_OPEN = 1024
"""Requests that may be open at a time."""


async def bridge(
    url: str,
    headers: Mapping[str, str],
    stdin: trio.abc.ReceiveStream,
    stdout: trio.abc.SendStream,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> None:
    """Carry messages until the input ends, the output breaks, or this is cancelled; then end the session.

    Args:
        url: the gateway's endpoint.
        headers: sent with every request, such as ``Authorization``.
        stdin: one message a line, from the client.
        stdout: one message a line, to the client.
        transport: what carries HTTP; the network by default.
    """
    import httpx2

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    outgoing, lines = trio.open_memory_channel[bytes](0)
    async with (
        httpx2.AsyncClient(headers=dict(headers), transport=transport, timeout=timeout, limits=limits) as http,
        trio.open_nursery() as output,
    ):
        output.start_soon(_write, lines, stdout, output.cancel_scope)
        with outgoing:
            await _carry(DaemonLink(http, url, outgoing.send), stdin)
        output.cancel_scope.deadline = trio.current_time() + FAREWELL_SECONDS  # what was answered is still written


async def _carry(link: DaemonLink, stdin: trio.abc.ReceiveStream) -> None:
    """Read to the end of the input, and see to it that all requests get their answers."""
    send, receive = trio.open_memory_channel[bytes | Oversized](MOST_WAITING)
    async with trio.open_nursery() as nursery:
        this = _Bridge(link, nursery)
        nursery.start_soon(this.work_off, receive)
        try:
            with send:
                await _read(stdin, send)
            with trio.move_on_after(DRAIN_SECONDS):
                await this.wait_idle()
        finally:
            with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                await link.end()
        with trio.move_on_after(FAREWELL_SECONDS):
            await this.wait_idle()  # the daemon answers what was open in a session that ends
        this.give_up()
        with trio.move_on_after(FAREWELL_SECONDS):
            await this.wait_idle()
        nursery.cancel_scope.cancel(reason="the client has gone")


async def _read(stdin: trio.abc.ReceiveStream, out: trio.MemorySendChannel[bytes | Oversized]) -> None:
    """Take lines until the input ends, which is noticed although the daemon may be away."""
    waiting: deque[bytes | Oversized] = deque()

    async def hand_over() -> None:
        while waiting:
            await out.send(waiting.popleft())

    await read_lines(stdin, LONGEST_MESSAGE, waiting.append, hand_over)
    await hand_over()


async def _write(lines: trio.MemoryReceiveChannel[bytes], stdout: trio.abc.SendStream, everything: trio.CancelScope) -> None:
    try:
        async for message in lines:
            await stdout.send_all(as_line(message))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        everything.cancel(reason="the client reads no more")


@attrs.define(eq=False, repr=False)
class _Bridge:
    link: DaemonLink
    nursery: trio.Nursery
    _open: dict[trio.CancelScope, None] = attrs.field(factory=dict, init=False)
    """Messages on their way."""
    _read_all: bool = attrs.field(default=False, init=False)
    _given_up: bool = attrs.field(default=False, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _listening: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    async def work_off(self, lines: trio.MemoryReceiveChannel[bytes | Oversized]) -> None:
        """Take every line in its turn."""
        async for line in lines:
            await self._take(line)
        self._read_all = True
        self._ended.set()

    async def wait_idle(self) -> None:
        """Wait until every line was taken, and every request has its answer."""
        while self._open or not self._read_all:
            self._ended = trio.Event()
            await self._ended.wait()

    def give_up(self) -> None:
        """Answer what is open with an error: the time is over."""
        self._given_up = True
        for scope in self._open:
            scope.cancel(reason="the input has ended")

    async def _take(self, line: bytes | Oversized) -> None:
        """Requests run side by side; the handshake and notifications keep their place."""
        if isinstance(line, Oversized):
            await self.link.emit(refuse_oversized(line, LONGEST_MESSAGE))
            return
        if not line.strip():
            return
        message = decode(line)
        own_id = message.id if isinstance(message, Request | Malformed) else None  # the daemon says what is wrong with a malformed one
        if own_id is not None and len(self._open) >= MOST_OPEN:
            await self._report(own_id, DeliveryFailed(f"{len(self._open)} requests are open already"))
        elif isinstance(message, Request) and message.method in OPENS:
            self._listening.cancel(reason="the client begins anew")
            await self._deliver(self._new_scope(), own_id, self.link.open, line)
        elif own_id is not None:
            self.nursery.start_soon(self._deliver, self._new_scope(), own_id, self.link.deliver, line)
        else:
            await self._deliver(self._new_scope(), None, self.link.deliver, line)
        if isinstance(message, Notification) and message.method == "notifications/initialized":
            self.link.ready = line
            self._listening.cancel(reason="another one listens")
            self._listening = trio.CancelScope()
            self.nursery.start_soon(self._listen, self._listening)

    def _new_scope(self) -> trio.CancelScope:
        scope = trio.CancelScope()
        self._open[scope] = None
        if self._given_up:
            scope.cancel(reason="the input has ended")
        return scope

    async def _listen(self, scope: trio.CancelScope) -> None:
        with scope:
            await self.link.listen()

    async def _deliver(self, scope: trio.CancelScope, id: bytes | None, deliver: Callable[[bytes], Awaitable[None]], line: bytes) -> None:
        """Deliver a message, and see to it that a request has an answer."""
        failure: DeliveryFailed | None = DeliveryFailed("the input ended before the gateway had answered")
        try:
            with scope:
                failure = await _attempt(deliver, line)
            if failure is not None and id is not None:
                await self._report(id, failure)
            elif failure is not None:
                log.warning("a message was not delivered", why=str(failure))
        finally:
            self._open.pop(scope, None)
            self._ended.set()

    async def _report(self, id: bytes, failure: DeliveryFailed) -> None:
        error = failure.error or encode({"code": INTERNAL_ERROR, "message": str(failure)})
        await self.link.emit(encode_error(id, error))


async def _attempt(deliver: Callable[[bytes], Awaitable[None]], line: bytes) -> DeliveryFailed | None:
    try:
        await deliver(line)
    except DeliveryFailed as failure:
        return failure
    return None
