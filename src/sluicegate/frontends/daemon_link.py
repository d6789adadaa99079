"""One client's conversation with a running gateway over HTTP: its session, patience while the daemon is away, streams that are resumed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import attrs
import trio

from ..events import get_logger
from ..protocol.headers import EVENT_STREAM, JSON, LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID, media_type
from .daemon_answer import Answer, DeliveryFailed, failure_of, read_events

if TYPE_CHECKING:
    import httpx2

__all__ = ["DaemonLink"]

log = get_logger("sluicegate.bridge")

PATIENCE_SECONDS = 60.0
"""How long one message waits for a daemon that is away."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class _Away(Exception):
    """The message certainly did not arrive; it may be sent again."""


class _Forgotten(Exception):
    """The daemon does not know the session."""


class _Broken(Exception):
    """A stream ended before the answer; it may be resumed."""


@attrs.define(eq=False)
class DaemonLink:
    """Posts messages and passes on what comes back."""

    http: httpx2.AsyncClient
    url: str
    emit: Callable[[bytes], Awaitable[None]]
    """Takes every message for the client."""
    opening: bytes = attrs.field(default=b"", init=False)
    """The client's own ``initialize``."""
    ready: bytes = attrs.field(default=b"", init=False)
    """Its ``notifications/initialized``."""
    _session: str = attrs.field(default="", init=False)
    _version: str = attrs.field(default="", init=False)
    _reopening: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def open(self, line: bytes) -> None:
        """Post the client's ``initialize``; raises `DeliveryFailed`."""
        self.opening, self.ready, self._session, self._version = line, b"", "", ""
        await self.deliver(line)

    async def deliver(self, line: bytes) -> None:
        """Post a message and pass on all that comes back; raises `DeliveryFailed`."""
        for _attempt in range(2):
            session = self._session
            try:
                await self._with_patience(lambda: self._post(line, self.emit))
            except _Forgotten:
                await self._reopen(session)
            else:
                return
        raise DeliveryFailed("the gateway forgets its sessions at once")

    async def listen(self) -> None:
        """Carry what belongs to no request, for ever, or until the daemon says that it has none."""
        stream, pause = Answer(self.emit), FIRST_PAUSE
        while True:
            session = self._session
            try:
                await stream.take_all(self._events(stream.last_id))
            except _Forgotten:
                stream.last_id = ""
                with suppress(DeliveryFailed):
                    await self._reopen(session)
            except DeliveryFailed as failure:
                log.debug("no stream for news", why=str(failure))
                return
            except (_Away, _Broken):
                pass
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def end(self) -> None:
        """End the session, if the daemon is there (P-65)."""
        import httpx2

        if self._session:
            with suppress(httpx2.HTTPError):
                await self.http.delete(self.url, headers=self._headers())

    # -- attempts

    async def _with_patience(self, attempt: Callable[[], Awaitable[None]]) -> None:
        deadline, pause = trio.current_time() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            try:
                await attempt()
            except _Away as away:
                if trio.current_time() + pause > deadline:
                    raise DeliveryFailed(f"the gateway at {self.url} cannot be reached ({away}); is it running?") from None
                await trio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return

    async def _reopen(self, stale: str) -> None:
        """Play the client's handshake again, once for all who noticed."""
        async with self._reopening:
            if self._session != stale:
                return
            self._session, self._version = "", ""
            await self._with_patience(lambda: self._post(self.opening, _drop))
            if self.ready:
                await self._with_patience(lambda: self._post(self.ready, _drop))
            log.info("the gateway was restarted; its session was opened again")

    async def _post(self, line: bytes, emit: Callable[[bytes], Awaitable[None]]) -> None:
        import httpx2

        answer = Answer(emit)
        try:
            async with self.http.stream("POST", self.url, content=line, headers=self._headers()) as response:
                await self._read_answer(response, answer)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _Away(str(error)) from None
        except httpx2.HTTPError as error:
            if not answer.last_id:
                raise DeliveryFailed(
                    f"the connection to the gateway broke before the answer came: {type(error).__name__} {error}"
                ) from error
        while not answer.complete:
            await self._resume(answer)

    async def _read_answer(self, response: httpx2.Response, answer: Answer) -> None:
        self._check(response.status_code)
        if session := response.headers.get(SESSION_ID, ""):
            self._session, self._version = session, response.headers.get(PROTOCOL_VERSION, "")
        if media_type(response.headers.get("content-type", "")) == EVENT_STREAM and response.status_code == 200:
            await answer.take_all(read_events(response))
            if not answer.complete and not answer.last_id:
                raise DeliveryFailed("the gateway's answer ended before it was complete")
            return
        body = await response.aread()
        if response.status_code >= 300:
            raise failure_of(response.status_code, body)
        if body:
            await answer.take(body)
        answer.complete = True

    async def _resume(self, answer: Answer) -> None:
        """Fetch the rest of a stream on another connection."""

        async def attempt() -> None:
            try:
                await answer.take_all(self._events(answer.last_id))
            except _Broken as broken:
                raise _Away(str(broken)) from None
            if not answer.complete:
                raise _Away("the stream ended early")

        try:
            await self._with_patience(attempt)
        except _Forgotten:
            raise DeliveryFailed("the gateway went away before it answered; whether the call was carried out is not known") from None

    async def _events(self, last_id: str) -> AsyncGenerator[tuple[bytes, str], None]:
        """The events of a GET stream, as data and id."""
        import httpx2

        headers = self._headers() | ({LAST_EVENT_ID: last_id} if last_id else {})
        try:
            async with self.http.stream("GET", self.url, headers=headers) as response:
                self._check(response.status_code)
                if response.status_code != 200:
                    raise failure_of(response.status_code, await response.aread())
                async with aclosing(read_events(response)) as events:
                    async for event in events:
                        yield event
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _Away(str(error)) from None
        except httpx2.HTTPError as error:
            raise _Broken(str(error)) from None

    def _check(self, status: int) -> None:
        if status == 503:
            raise _Away("it is going down, or has too many sessions")
        if status == 404 and self._session:
            raise _Forgotten

    def _headers(self) -> dict[str, str]:
        headers = {"accept": f"{JSON}, {EVENT_STREAM}", "accept-encoding": "identity", "content-type": JSON}
        if self._session:
            headers[SESSION_ID] = self._session
        if self._version:
            headers[PROTOCOL_VERSION] = self._version
        return headers


async def _drop(message: bytes) -> None:
    del message
    await trio.lowlevel.checkpoint()
