"""What all connections of one server share."""

from __future__ import annotations

import attrs

from .head import RequestLine
from .lifespan import ASGIApp, Lifespan
from .repeated import KnownHeads
from .response_head import DateLine
from .settings import ServerSettings
from .timekeeper import Timekeeper

__all__ = ["Serving"]


@attrs.define(eq=False)
class Serving:
    """One application, and how it is served."""

    app: ASGIApp
    settings: ServerSettings
    date: DateLine
    lifespan: Lifespan
    timekeeper: Timekeeper = attrs.field(factory=Timekeeper, init=False)
    heads: KnownHeads[RequestLine] = attrs.field(factory=KnownHeads, init=False)
    held: int = attrs.field(default=0, init=False)
    """Bytes that applications have of bodies which are not complete."""
    closing: bool = attrs.field(default=False, init=False)
    """Each connection ends after the response it is at."""
