"""The keys by which backends know what the gateway says of callers: a public document (RFC 7517)."""

from __future__ import annotations

from collections.abc import Callable

from ..protocol.principal import Principal
from .paths import Guard, HttpRoute, read_only
from .request import HttpRequest

__all__ = ["KEY_PATH", "key_page"]

KEY_PATH = "/.well-known/jwks.json"


def key_page(published: Callable[[], bytes]) -> HttpRoute:
    """Its row of the table of paths; while no key is in use there is no such document."""

    async def show(http: HttpRequest, _principal: Principal) -> None:
        keys = published()
        await http.respond(200 if keys else 404, keys, kind=b"application/jwk-set+json")

    return read_only(show, Guard.OPEN)
