"""A running gateway as a stdio server: lines on one side, Streamable HTTP on the other.

Messages pass as they are. The bridge keeps the session: while the daemon restarts it waits, and when the daemon has forgotten the session it
plays the client's own ``initialize`` again, so that the client notices nothing but a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from ..backends.lines import Lines, Oversized
from ..events import get_logger
from ..protocol.errors import INTERNAL_ERROR, INVALID_REQUEST
from ..protocol.events import EventParser, OversizedEvent
from ..protocol.headers import EVENT_STREAM, JSON, LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID, media_type
from ..protocol.messages import Malformed, Notification, Request, Response, compact, decode, decode_object, encode, encode_error, read_text

if TYPE_CHECKING:
    import httpx2

__all__ = ["bridge"]

log = get_logger("sluicegate.bridge")

PATIENCE_SECONDS = 60.0
"""How long one message waits for a daemon that is away."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
CONNECT_SECONDS = 10.0
DRAIN_SECONDS = 5.0
FAREWELL_SECONDS = 2.0
LONGEST_MESSAGE = 64 * 1024 * 1024
CHUNK = 65536


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
    async with httpx2.AsyncClient(headers=dict(headers), transport=transport, timeout=timeout, limits=limits) as http:
        outgoing, lines = trio.open_memory_channel[bytes](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_write, lines, stdout, nursery.cancel_scope)
            this = _Bridge(http, url, outgoing, nursery)
            try:
                await this.read(stdin)
                with trio.move_on_after(DRAIN_SECONDS):
                    await this.wait_idle()
            finally:
                with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                    await this.end_session()
                nursery.cancel_scope.cancel(reason="the client has gone")


async def _write(lines: trio.MemoryReceiveChannel[bytes], stdout: trio.abc.SendStream, everything: trio.CancelScope) -> None:
    with lines:
        try:
            async for message in lines:
                await stdout.send_all(compact(message) + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            everything.cancel(reason="the client reads no more")


class _Forgotten(Exception):
    """The daemon does not know the session."""


class _Failed(Exception):
    """A message got no answer; the text says why."""


@attrs.define(eq=False)
class _Bridge:
    http: httpx2.AsyncClient
    url: str
    outgoing: trio.MemorySendChannel[bytes]
    nursery: trio.Nursery
    _session: str = attrs.field(default="", init=False)
    _version: str = attrs.field(default="", init=False)
    _opening: Request | None = attrs.field(default=None, init=False)
    _opening_line: bytes = attrs.field(default=b"", init=False)
    _ready_line: bytes = attrs.field(default=b"", init=False)
    _reopening: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _listening: bool = attrs.field(default=False, init=False)
    _open: int = attrs.field(default=0, init=False)
    _idle: trio.Event = attrs.field(factory=trio.Event, init=False)

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
            self._idle = trio.Event()
            await self._idle.wait()

    async def end_session(self) -> None:
        """Tell the daemon, if it is there (P-65)."""
        import httpx2

        if self._session:
            try:
                await self.http.delete(self.url, headers=self._headers())
            except httpx2.HTTPError:
                log.debug("the daemon was gone before its session was ended")

    async def _take(self, line: bytes | Oversized) -> None:
        if isinstance(line, Oversized):
            await self._refuse(b"null", INVALID_REQUEST, f"a message of {line.size} bytes is larger than {LONGEST_MESSAGE}")
        elif line.strip():
            await self._route(line)

    async def _route(self, line: bytes) -> None:
        message = decode(line)
        if isinstance(message, Request) and message.method == "initialize":
            self._opening, self._opening_line, self._session, self._version = message, line, "", ""
            await self._ask(line, message.id)
        elif isinstance(message, Request):
            self._open += 1
            self.nursery.start_soon(self._run, line, message.id)
        elif isinstance(message, Malformed):
            await self._ask(line, message.id)  # a batch, perhaps; the daemon says what is wrong with it
        else:
            await self._tell(line)
            if isinstance(message, Notification) and message.method == "notifications/initialized":
                self._ready_line = line
                self._start_listening()

    async def _run(self, line: bytes, id: bytes) -> None:
        try:
            await self._ask(line, id)
        finally:
            self._open -= 1
            self._idle.set()

    async def _ask(self, line: bytes, id: bytes) -> None:
        """Send what has an answer, and see to it that there is one."""
        try:
            await self._deliver(line)
        except _Failed as failure:
            await self._refuse(id, INTERNAL_ERROR, str(failure))

    async def _tell(self, line: bytes) -> None:
        try:
            await self._deliver(line)
        except _Failed as failure:
            log.warning("a notification was not delivered", why=str(failure))

    async def _refuse(self, id: bytes, code: int, message: str) -> None:
        await self.outgoing.send(encode_error(id, encode({"code": code, "message": message})))

    # -- HTTP

    def _headers(self) -> dict[str, str]:
        headers = {"accept": f"{JSON}, {EVENT_STREAM}", "accept-encoding": "identity", "content-type": JSON}
        if self._session:
            headers[SESSION_ID] = self._session
        if self._version:
            headers[PROTOCOL_VERSION] = self._version
        return headers

    async def _deliver(self, line: bytes) -> None:
        """Post a message and pass on what comes back; waits for a daemon that is away. Raises `_Failed`."""
        deadline, pause = trio.current_time() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            session = self._session
            try:
                if await self._post(line):
                    return
            except _Forgotten:
                await self._reopen(session)
                continue
            if trio.current_time() + pause > deadline:
                raise _Failed(f"the gateway at {self.url} cannot be reached: is it running?")
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _post(self, line: bytes) -> bool:
        """One attempt; False if it certainly did not arrive."""
        import httpx2

        try:
            async with self.http.stream("POST", self.url, content=line, headers=self._headers()) as response:
                if response.status_code == 503:
                    return False
                await self._pass_on(response)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return False
        except httpx2.HTTPError as error:
            raise _Failed(f"the connection to the gateway broke before the answer came: {type(error).__name__}: {error}") from error
        return True

    async def _pass_on(self, response: httpx2.Response) -> None:
        if response.status_code == 404 and self._session:
            raise _Forgotten
        if response.status_code == 202:
            return
        if media_type(response.headers.get("content-type", "")) == EVENT_STREAM:
            await self._pass_on_events(response)
            return
        body = await response.aread()
        if response.status_code == 200:
            await self._answered(body, response.headers.get(SESSION_ID, ""))
        else:
            raise _Failed(f"the gateway answered with HTTP {response.status_code}: {_reason(body)}")
