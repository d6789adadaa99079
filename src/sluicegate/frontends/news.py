"""The way to a client over HTTP for what is about none of its requests: the newest of its GET streams (P-62)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from ..protocol.messages import Request
from ..protocol.parts import Parts
from .chores import Chores
from .sessions import Session

__all__ = ["News"]


@attrs.frozen(eq=False, repr=False)
class News:
    """Goes nowhere while its client has no such stream (implements `Outlet`)."""

    session: Session
    chores: Chores

    def wake(self) -> None:
        """Something has changed that the client is to be told."""
        self.chores.do([downlink.ring for downlink in self.session.listeners[-1:]])

    def begin(self, request: Request) -> None:
        """No request comes on it."""
        raise AssertionError(request)

    def note(self, message: bytes) -> None:
        """Pass on a log line."""
        session = self.session
        if session.listeners and session.hears(message):
            session.news.put(message)

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """Ask, if the client listens; who comes back for the stream finds the question, as long as it is open."""
        if not self.session.listeners:
            return None
        log = self.session.news
        log.put(message, is_note=False)
        return partial(log.make_note, log.last)

    def reply(self, message: bytes | Parts | None) -> None:
        """Nor is anything answered on it."""
        raise AssertionError(message)
