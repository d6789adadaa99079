"""What an HTTP server may answer in the place of the answer to a call, which is then not run."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ..transports import HTTP

__all__ = ["Forgotten", "HttpStatus", "SessionLost", "TooManyRequests", "Unauthorized", "Unavailable"]


@attrs.frozen
class SessionLost:
    """HTTP 404: the backend does not know the session any more."""

    over: ClassVar = HTTP
    status: ClassVar = 404
    retry_after: ClassVar[float | None] = None


@attrs.frozen
class Forgotten:
    """The backend does not know the session any more, and says so in another way than 404, as many do; the call is not run."""

    over: ClassVar = HTTP
    status: int = 400
    """Of HTTP; with 200 the error is an answer like any other."""
    code: int = -32000
    message: str = "Bad Request: Server not initialized"


@attrs.frozen
class Unauthorized:
    """HTTP 401."""

    over: ClassVar = HTTP
    status: ClassVar = 401
    retry_after: ClassVar[float | None] = None


@attrs.frozen
class TooManyRequests:
    """HTTP 429, with ``Retry-After`` where it is given."""

    over: ClassVar = HTTP
    status: ClassVar = 429
    retry_after: float | None = None


@attrs.frozen
class Unavailable:
    """HTTP 503, with ``Retry-After`` where it is given."""

    over: ClassVar = HTTP
    status: ClassVar = 503
    retry_after: float | None = None


HttpStatus = SessionLost | Unauthorized | TooManyRequests | Unavailable
