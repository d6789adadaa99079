"""What every way of telling who calls has in common."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ..protocol.principal import Principal
from ..protocol.request_headers import RequestHeaders

__all__ = ["Identity", "Refused", "Sent"]


class Sent(Protocol):
    """A request, as far as its sender can be told by it."""

    @property
    def method(self) -> str:
        """In capitals."""
        ...

    @property
    def path(self) -> str:
        """Without the query."""
        ...

    @property
    def headers(self) -> RequestHeaders:
        """All of them."""
        ...


class Refused(msgspec.Struct, frozen=True):
    """Why nobody was recognised."""

    message: str
    challenge: bytes
    """The value of ``WWW-Authenticate``."""


class Identity(Protocol):
    """Tells who sends a request."""

    async def identify(self, request: Sent) -> Principal | Refused:
        """Who it is. It may have to ask elsewhere for a key; a way that needs nothing of the kind answers without a checkpoint."""
        ...
