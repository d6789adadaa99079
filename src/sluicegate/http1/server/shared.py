"""What all connections of one server share."""

from __future__ import annotations

import attrs

from ..asgi import ASGIApp
from ..fair_turns import FairTurns
from ..head_cache import HeadCache
from ..timekeeper import Timekeeper
from .accepting import newcomers
from .lifespan import Lifespan
from .request_head import RequestLine
from .response_writer import DateLine
from .settings import ServerSettings

__all__ = ["Serving"]


@attrs.define(eq=False, repr=False)
class Serving:
    """One application, and how it is served."""

    app: ASGIApp
    settings: ServerSettings
    date: DateLine
    lifespan: Lifespan
    timekeeper: Timekeeper = attrs.field(factory=Timekeeper, init=False)
    heads: HeadCache[RequestLine] = attrs.field(factory=HeadCache, init=False)
    newcomers: FairTurns = attrs.field(factory=newcomers, init=False)
    """Who takes a connection, and what new ones say first."""
    pieces: FairTurns = attrs.field(factory=FairTurns, init=False)
    """For what comes of a large body behind its first piece."""
    held: int = attrs.field(default=0, init=False)
    """Bytes that applications have of bodies which are not complete."""
    held_by: dict[str, int] = attrs.field(factory=dict, init=False)
    """Of these, those of each network that is known."""
    closing: bool = attrs.field(default=False, init=False)
    """Each connection ends after the response it is at."""

    def hold(self, network: str, size: int) -> None:
        """An application has so many bytes more, or less, of the body that somebody in that network sends."""
        self.held += size
        if network and size:
            left = self.held_by[network] = self.held_by.get(network, 0) + size
            if not left:
                del self.held_by[network]

    def is_full(self, network: str) -> bool:
        """Whether that network has no room for large bodies: it may have as much as is left for all others, alone half of it."""
        return self.held_by.get(network, 0) > self.settings.most_held - self.held
