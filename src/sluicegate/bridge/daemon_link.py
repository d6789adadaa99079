"""One client's conversation with a running gateway over HTTP: its session, patience while the daemon is away, streams that are resumed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio

from ..protocol.addresses import public_part
from ..protocol.headers import EVENT_STREAM, JSON, LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID
from ..protocol.messages import decode
from ..telling.loggers import get_logger
from .daemon_answer import DaemonAnswer, DeliveryFailed, changes_after, failure_of, read_answer, read_body, read_events
from .unreachable import is_untrusted, reason

if TYPE_CHECKING:
    import httpx2

__all__ = ["DaemonLink"]

log = get_logger("sluicegate.bridge")

PATIENCE_SECONDS = 45.0
"""How long a message waits for a daemon that is away; most clients wait 60 for an answer, and must hear of it before."""
FIRST_PATIENCE_SECONDS = 14.0
"""How long a client's ``initialize`` does: nobody may ever have listened there. An attempt that began then may take some seconds more."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
_FORGETFUL = "the gateway forgets its sessions at once"

T = TypeVar("T")


class _Away(Exception):
    """The message certainly did not arrive; it may be sent again."""


class _Forgotten(Exception):
    """The daemon does not know the session."""


@attrs.frozen(eq=False, repr=False)
class _Seat:
    """Our place at the daemon: the session and its revision, both empty before there is one."""

    session: str = ""
    version: str = ""

    def headers(self) -> dict[str, str]:
        headers = {"accept": f"{JSON}, {EVENT_STREAM}", "accept-encoding": "identity", "content-type": JSON}
        if self.session:
            headers[SESSION_ID] = self.session
        if self.version:
            headers[PROTOCOL_VERSION] = self.version
        return headers

    def check(self, status: int) -> None:
        """Raise for the two refusals that can be mended."""
        if status == 503:
            raise _Away("it is going down, or has too many sessions")
        if status == 404 and self.session:
            raise _Forgotten

    def after(self, response: httpx2.Response) -> _Seat:
        """The seat that an answer gives us, or else the one we have."""
        session = response.headers.get(SESSION_ID, "")
        return _Seat(session, response.headers.get(PROTOCOL_VERSION, "")) if session else self


@attrs.define(eq=False, repr=False)
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
    _seat: _Seat = attrs.field(factory=_Seat, init=False)
    _is_away: bool = attrs.field(default=False, init=False)
    """It was told that the daemon is away, and has not been back since."""
    _reopening: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def open(self, line: bytes) -> None:
        """Post the client's ``initialize``; raises `DeliveryFailed`."""
        self.opening, self.ready, self._seat = line, b"", _Seat()
        self._seat = await self._post_patiently(line, self._seat, self.emit)

    async def deliver(self, line: bytes) -> None:
        """Post a message and pass on all that comes back; raises `DeliveryFailed`."""
        for _attempt in range(2):
            seat = self._seat
            try:
                await self._post_patiently(line, seat, self.emit)
            except _Forgotten:
                await self._reopen(seat)
            else:
                return
        raise DeliveryFailed(_FORGETFUL)

    async def listen(self) -> None:
        """Carry what belongs to no request, for ever, or until the daemon says that it has none."""
        stream, pause, seat = DaemonAnswer(self.emit), FIRST_PAUSE, self._seat
        while True:
            if self._seat is not seat:  # ids of another session mean nothing in this one
                seat, stream.last_id = self._seat, ""
            try:
                await stream.take_all(self._events(stream.last_id, seat))
            except _Forgotten:
                with suppress(DeliveryFailed):
                    await self._reopen(seat)
            except DeliveryFailed as failure:
                log.debug("no stream for news", why=str(failure))
                if failure.status < 500 and failure.status != 429:
                    return
            except _Away:
                pass
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def end(self) -> None:
        """End the session, if the daemon is there (P-65)."""
        import httpx2

        if self._seat.session:
            with suppress(httpx2.HTTPError):
                await self.http.delete(self.url, headers=self._seat.headers())

    async def _reopen(self, stale: _Seat) -> None:
        """Play the client's handshake again, once for all who noticed; if that fails, the next message tries it again.

        Meanwhile others go on with the stale seat, are told that it is forgotten, and wait here.
        """
        answers: list[bytes] = []

        async def keep(message: bytes) -> None:
            answers.append(message)
            await trio.lowlevel.checkpoint()

        async with self._reopening:
            if self._seat is not stale:
                return
            try:
                seat = await self._post_patiently(self.opening, _Seat(), keep)
                if self.ready:
                    await self._post_patiently(self.ready, seat, keep)
            except _Forgotten:
                raise DeliveryFailed(_FORGETFUL) from None
            self._seat = seat
        log.info("the gateway was restarted; its session was opened again")
        for change in changes_after(answers[0]) if self.ready else ():
            await self.emit(change)

    # -- attempts

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again while the daemon is away; whoever looks at our stderr hears of it at once."""
        seconds = PATIENCE_SECONDS if self._seat.session else FIRST_PATIENCE_SECONDS
        deadline, pause, url = trio.current_time() + seconds, FIRST_PAUSE, public_part(self.url)
        while True:
            try:
                result = await attempt()
            except _Away as away:
                if not self._is_away:
                    log.warning("the gateway cannot be reached, and is tried again", url=url, why=str(away), seconds=seconds)
                self._is_away = True
                if trio.current_time() + pause > deadline:
                    raise DeliveryFailed(f"the gateway at {url} cannot be reached ({away}); is it running?") from None
            else:
                self._is_away = False
                return result
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _post_patiently(self, line: bytes, seat: _Seat, emit: Callable[[bytes], Awaitable[None]]) -> _Seat:
        answer = DaemonAnswer(emit, decode(line))
        return await self._patiently(lambda: self._post(line, answer, seat))

    async def _post(self, line: bytes, answer: DaemonAnswer, seat: _Seat) -> _Seat:
        import httpx2

        try:
            async with self.http.stream("POST", self.url, content=line, headers=seat.headers()) as response:
                seat.check(response.status_code)
                seat = seat.after(response)
                await read_answer(response, answer)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _unreachable(error) from None
        except httpx2.HTTPError as error:
            if not answer.last_id and not answer.complete:
                why = f"the connection to the gateway broke before the answer came: {type(error).__name__} {error}"
                raise DeliveryFailed(why) from error
        while not answer.complete:
            await self._resume(answer, seat)
        return seat

    async def _resume(self, answer: DaemonAnswer, seat: _Seat) -> None:
        """Fetch the rest of a stream on another connection."""

        async def attempt() -> None:
            await answer.take_all(self._events(answer.last_id, seat))
            if not answer.complete:
                raise _Away("the stream ended early")

        try:
            await self._patiently(attempt)
        except _Forgotten:
            raise DeliveryFailed("the gateway went away before it answered; whether the call was carried out is not known") from None

    async def _events(self, last_id: str, seat: _Seat) -> AsyncGenerator[tuple[bytes, str], None]:
        """The events of a GET stream, as data and id; one that breaks off ends like any other, and may be resumed."""
        import httpx2

        headers = seat.headers() | ({LAST_EVENT_ID: last_id} if last_id else {})
        try:
            async with self.http.stream("GET", self.url, headers=headers) as response:
                seat.check(response.status_code)
                if response.status_code != 200:
                    raise failure_of(response.status_code, await read_body(response))
                async with aclosing(read_events(response)) as events:
                    async for event in events:
                        yield event
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _unreachable(error) from None
        except httpx2.HTTPError as error:
            log.debug("a stream of the gateway broke off", why=str(error))


def _unreachable(error: Exception) -> Exception:
    """What to raise where no connection came about: a daemon that is away may come back, one that is not trusted stays so."""
    return DeliveryFailed(f"cannot talk to the gateway: {reason(error)}") if is_untrusted(error) else _Away(reason(error))
