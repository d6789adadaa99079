"""A connection to an HTTP backend that plays the injection of each attempt, in bytes, above TLS.

It carries one request at a time, so that a request which begins while its task has a pending injection is the one that meets it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import get_args

import attrs
import trio

from ...http1.client.response_parser import ResponseParser
from ...outside import OpenStream
from ...protocol.headers import EVENT_STREAM, JSON, media_type
from ...protocol.messages import Request, decode, encode, encode_error
from ...protocol.sse import Event, EventParser, format_event
from ..answers import CANNED, canned, spoiled, unfold
from .kinds import Duplicate, Forgotten, Garble, Hang, Reset, Truncate, WrongId
from .noise import Noise, noise_of
from .pending import is_refused, take
from .statuses import HttpStatus
from .streams import MOST_READ, FaultyStream

__all__ = ["FaultyHttp", "refusing"]

METHODS = (b"POST ", b"GET ", b"DELETE ")
"""How a request begins, and no body of ours does."""
STANDING_IN = (Hang, Reset, *CANNED, Forgotten, *get_args(HttpStatus))
"""Injections with which the backend never hears of the request."""
REWRITTEN = (Garble, Duplicate, WrongId, Truncate, *get_args(Noise))
"""Injections for which the whole answer must be known."""
_OURS = frozenset({b"content-length", b"transfer-encoding", b"content-type"})


@attrs.define(eq=False, repr=False)
class FaultyHttp(FaultyStream):
    """The client's end of a bad connection."""

    _seconds: float = attrs.field(default=0.0, init=False)
    _fault: object = attrs.field(default=None, init=False)
    _heard: bytes = attrs.field(default=b"", init=False)
    """The request, where something is to become of it."""
    _ready: bytes = attrs.field(default=b"", init=False)
    """What is to be received before anything else."""
    _ends: bool = attrs.field(default=False, init=False)
    """Nothing comes after that."""
    _more: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when more of the request has been heard, or nothing will."""

    @property
    def is_readable(self) -> bool:
        """Whether something can be received; also if the next request is to be refused, so that it is not sent here."""
        return is_refused() or bool(self._ready) or self._ends or super().is_readable

    @property
    def _stands_in(self) -> bool:
        """Whether the backend never hears of the request."""
        return isinstance(self._fault, STANDING_IN)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send a request or a part of it; with a new one a new injection begins, or none."""
        if bytes(data[:7]).startswith(METHODS):
            whole = take()
            self._seconds, self._fault = unfold(whole)
            self.fault = None if self._stands_in or isinstance(self._fault, REWRITTEN) else whole
            self._late = False
            self._heard = b""
        if self._fault is not None:
            self._heard += bytes(data)
            self._more.set()
            self._more = trio.Event()
        if self._stands_in:
            await trio.lowlevel.checkpoint()
        else:
            await self.inner.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, or what the injection makes of it."""
        if self._stands_in or isinstance(self._fault, REWRITTEN):
            await self._prepare()
        if not self._ready and not self._ends:
            return await super().receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        taken = self._ready[: max_bytes or MOST_READ]
        self._ready = self._ready[len(taken) :]
        return taken

    async def _prepare(self) -> None:
        """Have the whole answer ready."""
        fault = self._fault
        if not self._stands_in:
            self._ready = await self._spoiled_answer()
        await self.pause(float("inf") if isinstance(fault, Hang) else self._seconds)
        self._fault = None
        if isinstance(fault, Reset):
            await self.break_off()
            raise trio.BrokenResourceError(fault.why)
        if isinstance(fault, HttpStatus):
            again = b"" if fault.retry_after is None else b"Retry-After: %d\r\n" % -(-fault.retry_after // 1)
            self._ready = _response(fault.status, again, b"text/plain", b"fault injected")
        elif isinstance(fault, Forgotten):
            self._ready = await self._forgotten(fault)
        elif isinstance(fault, CANNED):
            self._ready = _response(200, b"", JSON.encode(), canned(fault, await self._request(), 0))

    async def _forgotten(self, fault: Forgotten) -> bytes:
        about = (await self._request()).id if fault.status == HTTPStatus.OK else b"null"
        return _response(fault.status, b"", JSON.encode(), encode_error(about, encode({"code": fault.code, "message": fault.message})))

    async def _request(self) -> Request:
        """What is asked, once all of it has been heard: a large body comes in pieces, and its sender listens meanwhile."""
        while not isinstance(request := decode(self._heard.partition(b"\r\n\r\n")[2]), Request):
            await self._more.wait()
            if self._closed.is_set():
                raise trio.ClosedResourceError("this end of the connection is closed")
        return request

    async def aclose(self) -> None:
        """Close."""
        await super().aclose()
        self._more.set()

    async def _spoiled_answer(self) -> bytes:
        """The backend's answer, spoiled; whatever is no answer to a message is left alone."""
        fault, parser, raw = self._fault, ResponseParser(), b""
        parser.expect(b"POST")
        while not parser.complete and not parser.failure:
            data = bytes(await self.inner.receive_some(MOST_READ))
            raw += data
            if data:
                parser.feed(data)
            else:
                parser.eof()
                self._ends = True
        if isinstance(fault, Truncate):
            self._ends = True
            head = len(raw.partition(b"\r\n\r\n")[0]) + 4
            return raw[: head + ((len(raw) - head) // 2 if fault.size is None else fault.size)]
        if parser.failure or not 200 <= parser.status < 300:
            return raw
        kind = dict(parser.headers).get(b"content-type", b"").decode("latin-1")
        messages = _messages(b"".join(parser.body), kind)
        said = [*messages[:-1], *noise_of(fault, await self._request()), *spoiled(fault, messages[-1])] if messages else []
        lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in parser.headers if name not in _OURS)
        if len(said) == 1:
            return _response(parser.status, lines, JSON.encode(), said[0])
        return _response(parser.status, lines, EVENT_STREAM.encode(), b"".join(map(format_event, said)))


def _messages(body: bytes, kind: str) -> list[bytes]:
    """What the body of an answer says, in order."""
    if media_type(kind) != EVENT_STREAM:
        return [body]
    events = EventParser(len(body) + 1).feed(body)
    return [event.data for event in events if isinstance(event, Event) and event.data]


def _response(status: int, lines: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n" % (status, _reason(status), kind, len(body))
    return head + lines + b"\r\n" + body


def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode() if status in set(HTTPStatus) else b"Unknown"


def refusing(open_stream: OpenStream) -> OpenStream:
    """Connects, unless the attempt is to be refused."""

    async def open_or_refuse(host: str, port: int) -> trio.abc.Stream:
        if is_refused():
            await trio.lowlevel.checkpoint()
            take()
            raise ConnectionRefusedError(111, "Connection refused")
        return await open_stream(host, port)

    return open_or_refuse
