"""An authorization server in memory, and a door that only its tokens open."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import attrs
import httpx2
import trio

from sluicegate.http1.asgi import ASGIApp

__all__ = ["Guarded", "TokenIssuer"]

PAGE = "/.well-known/oauth-protected-resource"


@attrs.define(eq=False)
class TokenIssuer:
    """Answers as a site of `MemoryWeb`; its documents and its tokens are what a test makes of them."""

    issuer: str = "https://id.test"
    documents: dict[str, object] = attrs.field(factory=dict)
    """Beside its own, by the path."""
    seconds: float | None = 300
    """How long a token lasts."""
    pause: float = 0
    """How long it takes to give one."""
    refusal: tuple[int, object] | None = None
    """What every request for a token gets, with its status, instead of one."""
    refreshes: bool = False
    """Whether it gives refresh tokens, each good for once."""
    challenges: dict[str, str] = attrs.field(factory=dict)
    """By the code, what has to be shown with it (RFC 7636)."""
    registered: list[dict[str, Any]] = attrs.field(factory=list, init=False)
    refresh: str = attrs.field(default="", init=False)
    """The one that is good."""
    asked: list[dict[str, str]] = attrs.field(factory=list, init=False)
    """The forms of all requests for tokens; with the Authorization header, where there was one."""
    live: dict[str, frozenset[str]] = attrs.field(factory=dict, init=False)
    """Its tokens that are good, and what for."""
    under_way: int = attrs.field(default=0, init=False)
    most_under_way: int = attrs.field(default=0, init=False)

    @property
    def metadata(self) -> dict[str, Any]:
        """What it says of itself."""
        methods = ["client_secret_basic", "private_key_jwt"]
        places = {"token_endpoint": "token", "authorization_endpoint": "authorize", "registration_endpoint": "register"}
        return {
            "issuer": self.issuer,
            **{name: f"{self.issuer}/{path}" for name, path in places.items()},
            "token_endpoint_auth_methods_supported": methods,
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        }

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        if request.url.path == "/token":
            return await self._token(request)
        if request.url.path == "/register":
            self.registered.append(json.loads(await request.aread()))
            return httpx2.Response(201, json=self.registered[-1] | {"client_id": f"client-{len(self.registered)}"})
        documents: Mapping[str, object] = {"/.well-known/oauth-authorization-server": self.metadata} | self.documents
        found = documents.get(request.url.path)
        return httpx2.Response(404) if found is None else httpx2.Response(200, content=json.dumps(found).encode())

    async def _token(self, request: httpx2.Request) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs((await request.aread()).decode()).items()}
        self.asked.append(form | ({"authorization": request.headers["authorization"]} if "authorization" in request.headers else {}))
        number = len(self.asked)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await trio.sleep(self.pause)
        finally:
            self.under_way -= 1
        if self.refusal is not None:
            return httpx2.Response(self.refusal[0], content=json.dumps(self.refusal[1]).encode())
        if not self._allows(form):
            return httpx2.Response(400, json={"error": "invalid_grant"})
        token = f"token-{number}"
        self.live[token] = frozenset(form.get("scope", "").split())
        lasts: dict[str, object] = {} if self.seconds is None else {"expires_in": self.seconds}
        if self.refreshes:
            self.refresh = f"refresh-{number}"
            lasts["refresh_token"] = self.refresh
        return httpx2.Response(200, content=json.dumps({"access_token": token, "token_type": "Bearer", **lasts}).encode())

    def _allows(self, form: Mapping[str, str]) -> bool:
        """Whether what is exchanged is good."""
        if form.get("grant_type") == "authorization_code":
            shown = hashlib.sha256(form["code_verifier"].encode()).digest()
            return self.challenges.pop(form["code"], "") == base64.urlsafe_b64encode(shown).rstrip(b"=").decode()
        return form.get("grant_type") != "refresh_token" or form["refresh_token"] == self.refresh


@attrs.define(eq=False)
class Guarded:
    """Lets only those through to an application who show a token of that server."""

    app: ASGIApp
    server: TokenIssuer
    scope: str = ""
    """What the token has to be good for."""
    metadata: str = "https://backend.test/.well-known/oauth-protected-resource/mcp"
    shown: list[str] = attrs.field(factory=list, init=False)
    """What requests have shown, in order."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let one request through, or refuse it."""
        shown = dict(scope["headers"]).get(b"authorization", b"").decode()
        self.shown.append(shown)
        good_for = self.server.live.get(shown.removeprefix("Bearer "))
        if good_for is not None and (not self.scope or self.scope in good_for):
            await self.app(scope, receive, send)
            return
        error = f'error="insufficient_scope", scope="{self.scope}", ' if good_for is not None else ""
        challenge = f'Bearer {error}resource_metadata="{self.metadata}"'
        head = [(b"www-authenticate", challenge.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 403 if error else 401, "headers": head})
        await send({"type": "http.response.body", "body": b""})
