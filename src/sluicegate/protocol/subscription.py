"""One client's wish to hear when one resource of a backend changes: between the client's side, which ends it, and the backend's, which grants it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from .calls import Caller
from .fault import Fault
from .faults import cancelled
from .messages import Params, decode_object
from .offers import Hello

__all__ = [
    "ACKNOWLEDGED",
    "LISTEN",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "UPDATED",
    "Subscription",
    "Watch",
    "declared_by",
    "is_subscribable",
]

SUBSCRIBE, UNSUBSCRIBE = "resources/subscribe", "resources/unsubscribe"
UPDATED = "notifications/resources/updated"
LISTEN, ACKNOWLEDGED = "subscriptions/listen", "notifications/subscriptions/acknowledged"
"""Where there are no sessions: the request for a stream, and the first that is said on it (P-110)."""


@attrs.define(eq=False, repr=False)
class Subscription:
    """It is open from the beginning, is granted at most once, and is over once: its client does not want it any more, or the backend refused."""

    caller: Caller
    """Whose it is."""
    tell: Callable[[str, Params], None]
    """Takes the backend's own URI of what has changed, this one or one below it, and what else was said. Sync and bounded."""
    on_lost: Callable[[], None] = lambda: None
    """Called where it is over, and its client did not end it."""
    is_there: Callable[[], bool] = lambda: True
    """Whether clients may still know the resource under the name that this one used."""
    granted: bool = attrs.field(default=False, init=False)
    fault: Fault | None = attrs.field(default=None, init=False)
    """Why it is over; None while it is open."""
    on_over: Callable[[], None] | None = attrs.field(default=None, init=False)
    """The backend's side: nobody wants to hear of it any more."""
    _answered: trio.Event | None = attrs.field(default=None, init=False)

    async def answer(self) -> Fault | None:
        """Wait until it is granted, or over; then why."""
        if self.granted or self.fault is not None:
            await trio.lowlevel.checkpoint()
        else:
            self._answered = self._answered or trio.Event()
            await self._answered.wait()
        return self.fault

    def grant(self) -> None:
        """The backend will tell."""
        self.granted = True
        self._settle()

    def refuse(self, fault: Fault) -> None:
        """The backend will not tell, or not any more."""
        if self._finish(fault):
            self.on_lost()

    def end(self) -> None:
        """Its client does not want to hear of it any more, or has gone; sync."""
        self._finish(cancelled("it was ended"))

    def reconsider(self) -> None:
        """The configuration has changed: end it where its client could not ask for it now."""
        if not self.is_there():
            self.refuse(cancelled("the resource is not there any more"))

    def _finish(self, fault: Fault) -> bool:
        if self.fault is not None:
            return False
        self.fault = fault
        self._settle()
        on_over, self.on_over = self.on_over, None
        if on_over is not None:
            on_over()
        return True

    def _settle(self) -> None:
        if self._answered is not None:
            self._answered.set()
            self._answered = None


Watch = Callable[[str, Subscription], None]
"""Has a backend take a subscription to the resource with this URI of its own; sync, the answer is the subscription's."""


def is_subscribable(hello: Hello) -> bool:
    """Whether a backend says that it tells when a resource has changed."""
    raw = hello.capabilities.get("resources")
    members = decode_object(raw) if raw is not None else {}
    return isinstance(members, dict) and bytes(members.get("subscribe", b"")) == b"true"


def declared_by(hello: Hello) -> frozenset[str]:
    """The capabilities that a backend declares, and ``resources/subscribe`` where it says when a resource changes."""
    return frozenset(hello.capabilities) | ({SUBSCRIBE} if is_subscribable(hello) else set())
