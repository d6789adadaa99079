"""What one client is to be told: which lists have changed, and which of the resources that it has subscribed to."""

from __future__ import annotations

import attrs

from ..protocol.messages import Params, encode_notification
from .subscribed import Subscribed

__all__ = ["Untold"]


@attrs.define(eq=False, repr=False)
class Untold:
    """Each is told once, however often it changed in between; so a client that is away or slow costs no more than one that is not."""

    subscribed: Subscribed | None = attrs.field(default=None, init=False)
    """Made for those who ever subscribe."""
    _lists: frozenset[str] | None = attrs.field(default=None, init=False)
    """The ``list_changed`` notifications that are due."""

    def __bool__(self) -> bool:
        """Whether there is something to be told."""
        return bool(self._lists) or (self.subscribed is not None and self.subscribed.has_news)

    def add(self, methods: frozenset[str]) -> None:
        """Lists have changed."""
        if methods:
            self._lists = methods | (self._lists or frozenset())

    def forget_lists(self) -> None:
        """The client has read none yet."""
        self._lists = None

    def take(self) -> list[tuple[str, Params]]:
        """The notifications that are due, lists first."""
        lists, self._lists = self._lists, None
        due: list[tuple[str, Params]] = [(method, {}) for method in sorted(lists or ())]
        return due if self.subscribed is None else due + self.subscribed.take()

    def messages(self) -> list[bytes]:
        """The same as messages for who has a session."""
        return [encode_notification(method, params) for method, params in self.take()]
