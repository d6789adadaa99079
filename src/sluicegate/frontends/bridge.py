"""A running gateway as a stdio server: lines on one side, Streamable HTTP on the other.

Messages pass as they are. While the daemon restarts the bridge waits, and when the daemon has forgotten the session it plays the client's own
``initialize`` again, so that the client notices nothing but a pause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from ..backends.lines import Lines, Oversized
from ..events import get_logger
from ..protocol.errors import INTERNAL_ERROR
from ..protocol.messages import Malformed, Notification, Request, compact, decode, encode, encode_error
from .daemon_answer import LONGEST_MESSAGE, DeliveryFailed
from .daemon_link import DaemonLink
from .oversized import refuse_oversized

if TYPE_CHECKING:
    import httpx2

__all__ = ["bridge"]

log = get_logger("sluicegate.bridge")

CONNECT_SECONDS = 10.0
DRAIN_SECONDS = 5.0
FAREWELL_SECONDS = 2.0
CHUNK = 65536
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

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30.0)
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
    async with trio.open_nursery() as nursery:
        this = _Bridge(link, nursery)
        try:
            await this.read(stdin)
            with trio.move_on_after(DRAIN_SECONDS):
                await this.wait_idle()
        finally:
            with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                await link.end()
        with trio.move_on_after(FAREWELL_SECONDS):
            await this.wait_idle()  # the daemon answers what was open in a session that ends
        nursery.cancel_scope.cancel(reason="the client has gone")


async def _write(lines: trio.MemoryReceiveChannel[bytes], stdout: trio.abc.SendStream, everything: trio.CancelScope) -> None:
    try:
        async for message in lines:
            await stdout.send_all(compact(message) + b"\n")
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        everything.cancel(reason="the client reads no more")


@attrs.define(eq=False)
class _Bridge:
    link: DaemonLink
    nursery: trio.Nursery
    _open: int = attrs.field(default=0, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _listening: trio.CancelScope | None = attrs.field(default=None, init=False)

    async def read(self, stdin: trio.abc.ReceiveStream) -> None:
        """Take lines until the input ends."""
        lines = Lines(LONGEST_MESSAGE)
        while chunk := bytes(await stdin.receive_some(CHUNK)):
            for line in lines.feed(chunk):
                await self._take(line)
        for line in lines.end():
            await self._take(line)

    async def wait_idle(self) -> None:
        """Wait until every request has its answer."""
        while self._open:
            self._ended = trio.Event()
            await self._ended.wait()

    async def _take(self, line: bytes | Oversized) -> None:
        """Requests run side by side; the handshake and notifications keep their place."""
        if isinstance(line, Oversized):
            await self.link.emit(refuse_oversized(line, LONGEST_MESSAGE))
            return
        if not line.strip():
            return
        message = decode(line)
        if isinstance(message, Request | Malformed):
            if isinstance(message, Request) and message.method == "initialize":
                await self._open_session(message, line)
                return
            if self._open >= MOST_OPEN:
                await self._refuse(message.id, f"{self._open} requests are open already", INTERNAL_ERROR)
                return
            self._open += 1
            self.nursery.start_soon(self._ask, line, message.id)  # the daemon says what is wrong with a malformed one
            return
        try:
            await self.link.deliver(line)
        except DeliveryFailed as failure:
            log.warning("a message was not delivered", why=str(failure))
        if isinstance(message, Notification) and message.method == "notifications/initialized":
            self.link.ready = line
            self._listening = trio.CancelScope()
            self.nursery.start_soon(self._listen, self._listening)

    async def _open_session(self, request: Request, line: bytes) -> None:
        if self._listening is not None:
            self._listening.cancel(reason="the client begins anew")
        try:
            await self.link.open(line)
        except DeliveryFailed as failure:
            await self._report(request.id, failure)

    async def _listen(self, scope: trio.CancelScope) -> None:
        with scope:
            await self.link.listen()

    async def _ask(self, line: bytes, id: bytes) -> None:
        """Deliver what has an answer, and see to it that there is one."""
        try:
            await self.link.deliver(line)
        except DeliveryFailed as failure:
            await self._report(id, failure)
        finally:
            self._open -= 1
            self._ended.set()

    async def _report(self, id: bytes, failure: DeliveryFailed) -> None:
        if failure.error is not None:
            await self.link.emit(encode_error(id, failure.error))
        else:
            await self._refuse(id, str(failure), INTERNAL_ERROR)

    async def _refuse(self, id: bytes, message: str, code: int) -> None:
        await self.link.emit(encode_error(id, encode({"code": code, "message": message})))
