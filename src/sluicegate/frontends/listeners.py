"""Streams that clients without a session keep open to hear what changes (``subscriptions/listen``, P-110, P-112, P-114)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import trio

from ..protocol.calls import Caller
from ..protocol.introduction import SUBSCRIPTION
from ..protocol.messages import Malformed, Params, Raw, decode_object, encode, encode_notification, encode_result
from ..routing.directory import ListChange
from .chores import Chores
from .stream import Downlink
from .untold import Untold

__all__ = ["Listener", "Listeners"]


@attrs.define(eq=False, repr=False)
class Listener:
    """One such stream, and what is to be told on it (implements `Place`: it is one of those that its owner has)."""

    id: bytes
    """Of the request that opened it, as its client wrote it: every message on it carries it."""
    wanted: frozenset[str]
    """The ``list_changed`` notifications that are told."""
    downlink: Downlink
    caller: Caller
    ready: bool = attrs.field(default=True, init=False)
    is_busy: bool = attrs.field(default=True, init=False)
    used_at: float = attrs.field(factory=trio.current_time, init=False)
    untold: Untold = attrs.field(factory=Untold, init=False)
    """What it is to be told."""

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.untold)

    def hear(self, methods: frozenset[str]) -> bool:
        """Whether some of that news is for it; then it is told."""
        self.untold.add(self.wanted & methods)
        return self.has_news

    def take(self) -> list[bytes]:
        """What is to be told now."""
        return [self.message(method, params) for method, params in self.untold.take()]

    def message(self, method: str, params: Params) -> bytes:
        """A notification that belongs to it."""
        meta = decode_object(params["_meta"]) if "_meta" in params else {}
        said = {} if isinstance(meta, Malformed) else meta
        return encode_notification(method, params | {"_meta": Raw(encode(said | {SUBSCRIPTION: Raw(self.id)}))})

    def farewell(self) -> bytes:
        """Its last message, where it is we who end it (P-112)."""
        return encode_result(self.id, encode({"resultType": "complete", "_meta": self._meta}))

    def touch(self, now: float | None = None) -> None:
        """It is in use as long as it is there."""
        self.used_at = trio.current_time() if now is None else now

    @property
    def _meta(self) -> Raw:
        return Raw(encode({SUBSCRIPTION: Raw(self.id)}))


@attrs.define(eq=False, repr=False)
class Listeners:
    """All of them, and who has a connection of his own. There may be thousands, so they are woken a few at a time."""

    chores: Chores
    _all: dict[Listener, None] = attrs.field(factory=dict, init=False)
    _connected: dict[Callable[[], None], Callable[[ListChange], None]] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, listener: Listener) -> None:
        """One more."""
        self._all[listener] = None

    def remove(self, listener: Listener) -> None:
        """One less."""
        del self._all[listener]
        if listener.untold.subscribed is not None:
            listener.untold.subscribed.end()

    def wake(self, listener: Listener) -> None:
        """There is something to tell on it."""
        self.chores.do([listener.downlink.ring])

    def subscribe(self, hear: Callable[[ListChange], None], wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``hear`` called with each change, and ``wake`` soon after it; the result ends that."""
        self._connected[wake] = hear
        return partial(self._connected.__delitem__, wake)

    def announce(self, change: ListChange) -> None:
        """Lists have changed, for some."""
        told = [listener.downlink.ring for listener in self._all if listener.hear(change.told_to(listener.caller))]
        for hear in self._connected.values():
            hear(change)
        self.chores.do([*told, *self._connected])

    def hang_up(self) -> None:
        """End them all."""
        self.chores.do([listener.downlink.hang_up for listener in self._all])
