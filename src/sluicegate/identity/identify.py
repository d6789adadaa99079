"""What every way of telling who calls has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from ..protocol.errors import UNAUTHORIZED
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

    @property
    def certificate(self) -> Mapping[str, object] | None:
        """What was shown during the TLS handshake, by a client that one was asked of: as `ssl.SSLSocket.getpeercert` reads it."""
        ...


class Refused(msgspec.Struct, frozen=True):
    """Why a request is not let in."""

    message: str
    """For the caller, and for the operator's log: nothing that was sent may stand in it, since it may be a secret."""
    challenge: bytes = b""
    """The value of ``WWW-Authenticate``; empty where nothing that the caller could show would help."""
    status: int = 401
    """401 where nobody was recognised, 403 where he may not come in with what he has shown, 503 where it cannot be told yet."""
    code: int = UNAUTHORIZED
    """Of the JSON-RPC error."""
    retry_after: int | None = None
    """Seconds after which it may be told, rounded up."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the response carries besides."""
        wait = [] if self.retry_after is None else [(b"retry-after", b"%d" % self.retry_after)]
        return [(b"www-authenticate", self.challenge), *wait] if self.challenge else wait


class Identity(Protocol):
    """Tells who sends a request."""

    async def identify(self, request: Sent) -> Principal | Refused:
        """Who it is. It may have to ask elsewhere for a key; a way that needs nothing of the kind answers without a checkpoint."""
        ...
