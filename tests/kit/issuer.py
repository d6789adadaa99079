"""An issuer of signed tokens: keys that can be exchanged, tokens that say whatever a test wants, and its set of keys over HTTP in memory."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from typing import Any, Literal

import attrs
import httpx2
import trio
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

__all__ = ["AUDIENCE", "ISSUER", "Issuer", "Key", "rsa_key", "signed"]

ISSUER, AUDIENCE = "https://id.example", "https://gate.example/mcp"
Key = RSAKey | ECKey | OKPKey


@functools.cache
def rsa_key() -> RSAKey:
    """One that was made once, since that takes a while."""
    return RSAKey.generate_key(2048)


def signed(head: dict[str, Any], claims: dict[str, Any], key: Key | None, algorithm: str = "") -> str:
    """A token, whatever its head says; with no key its signature is empty."""
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, claims))
    signature = b"" if key is None else JWSRegistry.algorithms[algorithm or head["alg"]].sign(text.encode(), key)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@attrs.define(eq=False)
class Issuer:
    """Signs with one key at a time, and tells all that it has not withdrawn."""

    wall: Callable[[], float]
    name: str = ISSUER
    keys: dict[str, Key] = attrs.field(factory=dict)
    """By the name in the head of tokens, the newest last."""
    extra: list[object] = attrs.field(factory=list)
    """What stands in the set beside them."""
    is_up: bool = True
    max_age: int | None = None
    takes_seconds: float = 0.0
    """To answer."""
    asked_at: list[float] = attrs.field(factory=list, init=False)
    """When its keys were asked for."""

    def __attrs_post_init__(self) -> None:
        if not self.keys:
            self.rotate("k1")

    def rotate(self, kid: str, *, kind: Literal["EC", "OKP"] = "EC", keep: bool = False) -> None:
        """Sign with another key from now on."""
        if not keep:
            self.keys.clear()
        self.keys[kid] = ECKey.generate_key("P-256") if kind == "EC" else OKPKey.generate_key("Ed25519")

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a token of its says; None leaves a claim out."""
        now = self.wall()
        usual = {"iss": self.name, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600}
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def token(self, *, head: dict[str, Any] | None = None, **changed: Any) -> str:
        """One that its newest key has signed; None leaves a member of the head out."""
        kid, key = next(reversed(self.keys.items()))
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256" if isinstance(key, RSAKey) else "EdDSA"
        whole = {"alg": algorithm, "kid": kid, "typ": "at+jwt"} | (head or {})
        whole = {name: value for name, value in whole.items() if value is not None}
        return signed(whole, self.claims(**changed), key, str(whole["alg"]) if whole.get("alg") in JWSRegistry.algorithms else algorithm)

    def document(self) -> dict[str, Any]:
        """Its set of keys."""
        return {"keys": [*self.extra, *({**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items())]}

    async def site(self, request: httpx2.Request) -> httpx2.Response:
        """Answers for it, for a `MemoryWeb`."""
        if not self.is_up:
            raise httpx2.ConnectError("connection refused", request=request)
        if request.url.path.startswith("/.well-known/"):
            return httpx2.Response(200, json={"issuer": self.name, "jwks_uri": f"{self.name}/jwks"})
        self.asked_at.append(trio.current_time())
        document = self.document()
        await trio.sleep(self.takes_seconds)
        age = {} if self.max_age is None else {"cache-control": f"max-age={self.max_age}"}
        return httpx2.Response(200, json=document, headers=age)
