"""``subscriptions/listen`` among the requests on one pair of streams: its messages go where all others go, under its id (P-110, P-111, P-112)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import trio

from ...protocol.calls import Caller
from ...protocol.fault import Fault
from ...protocol.faults import cancelled
from ...protocol.introduction import Introduction
from ...protocol.messages import Request, encode_error
from ..endpoint import Endpoint
from ..listeners import Listener
from ..news_stream import DEBOUNCE_SECONDS
from ..stream import Downlink
from ..subscribed import Subscribed
from .subscriptions import acknowledgement, honoured, subscribe

__all__ = ["ListeningLine"]


async def _nothing_comes() -> Mapping[str, object]:
    await trio.sleep_forever()
    raise AssertionError


@attrs.define(eq=False, repr=False)
class ListeningLine:
    """One of them (implements `Running`): it can be taken back, and ended, from the moment that it is there."""

    endpoint: Endpoint
    request: Request
    introduction: Introduction
    caller: Caller
    owner: tuple[str, str]
    note: Callable[[bytes], None]
    """Writes one that may be dropped."""
    listener: Listener = attrs.field(init=False)
    fault: Fault | None = attrs.field(default=None, init=False)
    """Why it never told anything, or was taken back."""
    _whole: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _beginning: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @listener.default
    def _make_listener(self) -> Listener:
        return Listener(self.request.id, frozenset(), Downlink(_nothing_comes), self.caller)

    def cancel(self) -> None:
        """Its client takes it back, and gets no answer (P-111)."""
        self._whole.cancel(reason="its client has taken it back")

    def abort(self, why: str) -> None:
        """The client has gone."""
        del why
        self.cancel()

    def hang_up(self) -> None:
        """Its client says no more, and hears that there is no more either."""
        self._beginning.cancel(reason="its client says no more")
        self.listener.downlink.hang_up()

    def wake(self) -> None:
        """Tell what there is to tell."""
        if self.listener.has_news:
            self.listener.downlink.ring()

    async def run(self) -> bytes | None:
        """Tell of changes until either side ends it; what its client is answered then, or None for nothing."""
        try:
            with self._whole:
                return await self._run()
            self.fault = cancelled("the caller cancelled it")
        finally:
            subscribed = self.listener.untold.subscribed
            if subscribed is not None:
                subscribed.end()
        return None

    async def _run(self) -> bytes:
        with self._beginning:
            self.fault = await self._begin()
            if self.fault is not None:
                return encode_error(self.request.id, self.fault.encode())
        await self._tell()
        return self.listener.farewell()

    async def _begin(self) -> Fault | None:
        listener, endpoint = self.listener, self.endpoint
        await endpoint.settled()
        granted = endpoint.directory.refuses(self.caller) or honoured(self.introduction.params, endpoint.directory.seen_by(self.caller))
        if isinstance(granted, Fault):
            return granted
        listener.wanted = frozenset(granted.lists.values())
        subscribed = Subscribed(endpoint.subscriptions, self.owner, listener.downlink.ring)
        uris = await subscribe(listener, granted.uris, subscribed)
        self.note(acknowledgement(listener, granted.lists, uris))
        return None

    async def _tell(self) -> None:
        """Several changes at once are told once."""
        listener = self.listener
        while listener.downlink.is_open:
            if listener.has_news:
                await trio.sleep(DEBOUNCE_SECONDS)
                for message in listener.take():
                    self.note(message)
            else:
                await listener.downlink.wait()
