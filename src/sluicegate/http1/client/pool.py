"""Requests to one origin over connections that are kept: a pool without a cap, because bounds belong to the policies.

A request is sent once. If its connection turns out to be closed, nobody knows whether the server ran the request and then went, or was gone
before, so it is the caller's to decide. Connections are asked for their end before they are used again, and dropped after a few seconds
without use, before a server's own time limit makes that a race.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from ...outside import OpenStream
from ...protocol.headers import is_token
from ...tls.client import TlsFiles
from ..fair_turns import FairTurns
from ..head_cache import HeadCache
from ..sockets import quicken
from ..timekeeper import Timekeeper
from .connection import NEVER, SENT_APART, ClientConnection, probe_of
from .dial_limit import Dialing, DialLimit, Leaves
from .dialing import Dialer, Finish, dialer_to
from .failures import Unreachable
from .origin import Origin
from .response import ClientResponse, begin_response
from .response_parser import ResponseParser
from .settings import ClientSettings

__all__ = ["HttpClient", "open_client"]


@attrs.define(eq=False, repr=False)
class HttpClient:
    """Sends requests to one origin (implements `Home`)."""

    settings: ClientSettings
    _dialer: Dialer
    keeper: Timekeeper
    _prefix: bytes
    """What stands before a target: the origin, if a proxy is to find it."""
    _suffix: bytes
    """What stands between the target and the caller's headers."""
    turns: FairTurns = attrs.field(factory=FairTurns, init=False)
    _idle: dict[ClientConnection, None] = attrs.field(factory=dict, init=False)
    """The one used last at the end."""
    _busy: dict[ClientConnection, None] = attrs.field(factory=dict, init=False)
    """In the order in which they were taken, as all that is looked through here: nothing may depend on where in memory a thing lies."""
    _ending: dict[ClientConnection, None] = attrs.field(factory=dict, init=False)
    _dialing: dict[Dialing, None] = attrs.field(factory=dict, init=False)
    _heads: HeadCache[int] = attrs.field(factory=HeadCache, init=False)
    _dial_limit: DialLimit = attrs.field(factory=DialLimit, init=False)
    _why: str = attrs.field(default="", init=False)
    """Why there are no more requests."""

    @property
    def busy(self) -> int:
        """Responses that are not complete yet."""
        return len(self._busy) + len(self._dialing)

    @property
    def idle(self) -> int:
        """Connections that wait for the next request."""
        return len(self._idle)

    async def request(
        self,
        method: bytes,
        target: bytes,
        headers: bytes = b"",
        body: bytes | None = None,
        *,
        purpose: object = None,
        leaves: Leaves = None,
    ) -> ClientResponse:
        """Send a request and wait for the head of its response, whatever its status; the caller reads the response to its end or closes it.

        Args:
            method: in capital letters.
            target: path and query, escaped.
            headers: lines from `encode_headers`. ``Host`` and ``Content-Length`` are added.
            body: None where there is none, which is not the same as an empty one.
            purpose: what `cut` can end it by.
            leaves: called when there is a connection and the first byte is about to leave.

        Raises:
            Unreachable: nothing was sent.
            Broken: nobody knows what became of it.
        """
        connection = self._reuse() or await self._connect(purpose)
        connection.purpose = purpose
        if leaves is not None:
            leaves()
        self._busy[connection] = None
        connection.parser.expect(method)
        connection.came = 0
        size = len(body or b"")
        length = b"" if body is None else b"Content-Length: %d\r\n" % size
        data = b"%b %b%b%b%b%b\r\n" % (method, self._prefix, target, self._suffix, headers, length)
        apart = body if body is not None and size >= SENT_APART else b""
        if body is not None and not apart:
            data += body
        try:
            sent = connection.send_now(data)
            if apart or sent < len(data):
                await connection.send(memoryview(data)[sent:], apart, self.settings.seconds_to_send(size))
            failure = ""
            while not connection.parser.status and not failure:
                failure = await connection.receive()
            response = begin_response(connection, failure)
        except BaseException:  # cancelled, too: a connection in the middle of a response is of no use to anybody
            connection.end("the request was given up")
            raise
        if response.status == 407 and self._dialer.forwarder is not None:
            response.close()
            raise Unreachable(self._dialer.forwarder.refusal)
        return response

    def cut(self, purpose: object, why: str) -> None:
        """Break all requests for this purpose; never blocks."""
        for connection in [busy for busy in self._busy if busy.purpose is purpose]:
            connection.end(why)
        for dialing in self._dialing:
            if dialing.purpose is purpose:
                dialing.why = why
                dialing.scope.cancel(reason=why)

    async def aclose(self) -> None:
        """End everything; does not block."""
        self._why = "the client is closed"
        for dialing in self._dialing:
            dialing.why = self._why
            dialing.scope.cancel(reason=self._why)
        for connection in [*self._idle, *self._busy]:
            connection.end(self._why)
        with trio.CancelScope(shield=True):
            for connection in list(self._ending):
                await connection.expire()

    def _reuse(self) -> ClientConnection | None:
        """The connection that was used last, if it can be used again."""
        while self._idle:
            connection = self._idle.popitem()[0]
            if not connection.is_readable():
                connection.expires_at = NEVER
                return connection
            connection.end("it could not be used again")
        return None

    async def _connect(self, purpose: object) -> ClientConnection:
        """A connection, new or just come back; raises `Unreachable`."""
        seconds = self.settings.connect_seconds
        dialing = Dialing(purpose, trio.CancelScope(deadline=trio.current_time() + seconds), f"no connection within {seconds:g} s")
        if self._why:
            await trio.lowlevel.checkpoint()
            raise Unreachable(self._why)
        self._dialing[dialing] = None
        try:
            with dialing.scope:
                connection = await self._dial_in_turn()
                if not dialing.scope.cancel_called:  # which may come just too late to be noticed
                    return connection
                connection.end(dialing.why)
        finally:
            self._dialing.pop(dialing, None)
        raise Unreachable(dialing.why)

    async def _dial_in_turn(self) -> ClientConnection:
        has_turn = self._dial_limit.take()
        while not has_turn:
            has_turn = await self._dial_limit.wait()
            if not has_turn and (connection := self._reuse()) is not None:
                return connection
        stream = None
        try:
            stream = await self._dialer.dial()
        finally:
            self._dial_limit.give_back(worked=stream is not None)
        return ClientConnection(stream, self.keeper, self, self.turns, probe_of(stream), ResponseParser(heads=self._heads))

    def take_back(self, connection: ClientConnection) -> None:
        """Keep a connection whose response is complete, if it can carry another request."""
        self._busy.pop(connection, None)
        if connection.ended:
            return
        connection.purpose = None
        if connection.broken or not connection.parser.keep_alive or len(self._idle) >= self.settings.most_idle:
            connection.end("its last response is complete")
            return
        self._idle[connection] = None
        if self._dial_limit.are_awaited:
            self._dial_limit.call_next()
        connection.set_deadline(trio.current_time() + self.settings.idle_seconds, "it was not used any more")

    def let_go(self, connection: ClientConnection) -> None:
        """A connection has ended."""
        self._busy.pop(connection, None)
        self._idle.pop(connection, None)
        self._ending[connection] = None

    def forget(self, connection: ClientConnection) -> None:
        """A connection is closed."""
        self._ending.pop(connection, None)


def open_client(
    origin: Origin,
    *,
    open_stream: OpenStream,
    tls: TlsFiles | None = None,
    proxy: str | None = None,
    host: str = "",
    settings: ClientSettings | None = None,
    finish: Finish = quicken,
) -> AbstractAsyncContextManager[HttpClient]:
    """A client for one origin. Leaving the block ends all its connections at once; requests under way are then `Broken`.

    Args:
        origin: where requests go.
        open_stream: how to connect.
        tls: files for ``https``; None takes what the system trusts.
        proxy: the URL of a proxy on the way.
        host: what stands in ``Host``, if it is not the origin's own name.
        settings: time limits.
        finish: puts a connection that stands into the form in which it is used.

    Raises:
        ValueError: the files, the proxy or the name cannot be used; at once, not when the block is entered.
    """
    dialer = dialer_to(origin, open_stream, tls, proxy, finish)
    name = host or origin.authority
    if not is_token(name):
        raise ValueError(f"{name!r} cannot stand in a Host header")
    prefix = b"" if dialer.forwarder is None else str(origin).encode("ascii")
    suffix = f" HTTP/1.1\r\nHost: {name}\r\n".encode("ascii") + (b"" if dialer.forwarder is None else dialer.forwarder.headers)
    return _open(HttpClient(settings or ClientSettings(), dialer, Timekeeper(), prefix, suffix))


@asynccontextmanager
async def _open(client: HttpClient) -> AsyncGenerator[HttpClient, None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.keeper.run)
        nursery.start_soon(client.turns.run)
        try:
            yield client
        finally:
            await client.aclose()
            nursery.cancel_scope.cancel(reason="the client is closed")
