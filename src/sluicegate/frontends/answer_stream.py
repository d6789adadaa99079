"""The answer to one POST that became a stream."""

from __future__ import annotations

from typing import Protocol

from ..protocol.principal import Principal
from .request import HttpRequest

__all__ = ["AnswerStream"]


class AnswerStream(Protocol):
    """It is kept for a while, so that its client can come back for the rest."""

    principal: Principal
    """Whose request it answers."""

    async def resume(self, http: HttpRequest, after: int) -> None:
        """Send the rest on another connection of the same client."""
        ...
