"""An authorization server in memory: it tells about itself, and says of each token what the test wants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs

import attrs
import httpx2

__all__ = ["ISSUER", "Issuer"]

ISSUER = "https://id.example"


@attrs.define
class Issuer:
    """A site for `MemoryWeb`."""

    tokens: dict[str, Mapping[str, object]] = attrs.field(factory=dict)
    """What it says of each that is active."""
    document: dict[str, object] = attrs.field(
        factory=lambda: {"issuer": ISSUER, "introspection_endpoint": f"{ISSUER}/introspect", "jwks_uri": f"{ISSUER}/jwks"}
    )
    keys: list[Mapping[str, object]] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    """The tokens that it was asked about."""

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        path = request.url.path
        if path == "/.well-known/oauth-authorization-server":
            return _json(self.document)
        if path == "/jwks":
            return _json({"keys": self.keys})
        if path != "/introspect":
            return httpx2.Response(404)
        (token,) = parse_qs(request.content.decode())["token"]
        self.asked.append(token)
        return _json({"active": True, "iss": ISSUER, **self.tokens[token]} if token in self.tokens else {"active": False})


def _json(value: object) -> httpx2.Response:
    return httpx2.Response(200, content=json.dumps(value).encode(), headers={"content-type": "application/json"})
