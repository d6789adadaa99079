"""Who answers a client's request and is never asked to go on with it."""

from __future__ import annotations

from sluicegate.protocol.principal import NOBODY, Principal

__all__ = ["Unresumed"]


class Unresumed:
    """Its log is kept and dropped, but nobody comes back for it (implements `AnswerStream`)."""

    principal: Principal = NOBODY

    async def resume(self, http: object, after: int) -> None:
        """Never."""
        raise AssertionError
