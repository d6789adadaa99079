"""What one request and its response need of the connection that carries them."""

from __future__ import annotations

from typing import Protocol

from .server.forwarded import PeerAddress
from .server.outgoing import MessageSender
from .server.response_writer import ResponseWriter
from .server.shared import Serving
from .timekeeper import Timed

__all__ = ["Carrier"]


class Carrier(Timed, Protocol):
    """A connection, as its requests see it."""

    serving: Serving
    peer: PeerAddress
    out: MessageSender
    gone: bool
    """The client has gone."""

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow."""
        ...

    def make_room(self) -> None:
        """Some of what has come was taken: read on."""
        ...

    def hand_over(self, response: ResponseWriter) -> None:
        """This response has left: the next request may be answered, though the application of this one is still at work."""
        ...
