"""Having a person allow the gateway to use a backend: authorization code with PKCE, by the SDK's OAuth client (P-146).

That finds the authorization server, registers the gateway or names its metadata document, and checks state, issuer and resource; it goes
wherever it is led, so whom it may ask is looked at here. What it gets is kept as a `Login`, which a gateway renews by itself.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs
import httpx2
import msgspec
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.exceptions import OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl, ValidationError

from ..config.model import BackendConfig, Config
from ..identity.issuer_discovery import TRUSTED, may_be_asked
from ..identity.outward.server_search import canonical
from ..identity.outward.stored_login import Login
from ..outside import Outside
from ..outside.login_file import LoginFile
from ..outside.loopback import Loopback, open_loopback
from ..protocol.eras import HANDSHAKE
from ..settings.outward import OutwardSettings

__all__ = ["LoginFailed", "keep_login", "log_in"]

_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": HANDSHAKE,
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "sluicegate", "version": "0"}},
}
_HEADERS = {"accept": "application/json, text/event-stream"}
_NO_REFUSAL = (200, 400)
"""There are servers that let anybody greet them, and some of 2026-07-28 that know no greeting."""
_INTRODUCTION = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "sluicegate", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ANSWER_SECONDS = 30.0
"""For each answer of a server."""


class LoginFailed(Exception):
    """There is no login; the message says why."""


@attrs.define(eq=False, repr=False)
class _Kept:
    """What the SDK's client keeps while it is at it (its `TokenStorage`)."""

    client: OAuthClientInformationFull | None
    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return None  # a person has asked for a new login

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@attrs.frozen(eq=False, repr=False)
class _Trusted(httpx2.AsyncBaseTransport):
    """Lets requests through to the backend, for pages beside it, and to where it may lead (P-145)."""

    backend: httpx2.URL
    under: httpx2.AsyncBaseTransport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        at, home = request.url, self.backend
        is_beside = request.method == "GET" and (at.scheme, at.netloc) == (home.scheme, home.netloc)
        if at != home and not is_beside and not may_be_asked(str(at), str(home)):
            raise OAuthFlowError(f"{at.copy_with(query=None)} is not asked: {TRUSTED}")
        return await self.under.handle_async_request(request)

    async def aclose(self) -> None:
        await self.under.aclose()


async def log_in(
    url: str,
    auth: OutwardSettings,
    outside: Outside,
    show: Callable[[str, Loopback], Awaitable[None]],
    *,
    port: int = 0,
    wall: Callable[[], float] = time.time,
) -> Login:
    """Ask, and wait for the answer; raises `LoginFailed`. The caller bounds it in time.

    Args:
        url: the backend's.
        auth: its settings.
        outside: how to ask, and how to listen for the browser.
        show: brings the address to the person, who may also hand the answer to the loopback by hand.
        port: of the loopback; 0 takes one that is free.
        wall: time of day, by which it is told when the token ends.
    """
    try:
        async with open_loopback(outside.listen, port) as loopback:
            found = await _ask(url, auth, outside, loopback, show, wall)
    except OSError as error:
        raise LoginFailed(f"nothing can be listened on for the browser: {error}") from error
    if isinstance(found, str):
        raise LoginFailed(found)
    return found


async def keep_login(config: Config, backend: BackendConfig, login: Login, outside: Outside) -> None:
    """Put a login where the gateway looks for it; raises `LoginFailed`."""
    assert config.logins is not None
    try:
        await LoginFile.of(config.logins, backend.name, outside.run_blocking).save(msgspec.json.encode(login))
    except OSError as error:
        raise LoginFailed(f"it cannot be kept in {config.logins}: {error}") from error


async def _ask(
    url: str,
    auth: OutwardSettings,
    outside: Outside,
    loopback: Loopback,
    show: Callable[[str, Loopback], Awaitable[None]],
    wall: Callable[[], float],
) -> Login | str:
    """A login, or why there is none."""

    async def redirect(address: str) -> None:
        issuer, endpoint = _server(provider)
        if not may_be_asked(address, issuer) or not address.isprintable():
            raise OAuthFlowError(f"the authorization server names no address that a browser may open: {TRUSTED}")
        if not may_be_asked(endpoint, issuer):  # before anybody has taken the trouble
            raise OAuthFlowError(f"the authorization server names no token_endpoint that can be trusted: {TRUSTED}")
        loopback.expect(dict(parse_qsl(urlsplit(address).query)).get("state", ""))
        await show(_asking_for(address, auth.scopes), loopback)

    async def callback() -> AuthorizationCodeResult:
        return _code_in(await loopback.wait())

    kept = _Kept(_known_client(auth, loopback))
    metadata = OAuthClientMetadata(
        redirect_uris=[AnyUrl(loopback.url)],
        client_name="Sluicegate",
        token_endpoint_auth_method="none",  # noqa: S106  no password, what it is called
        scope=" ".join(auth.scopes) or None,  # for the registration; in the address it is replaced by what the backend names
    )
    try:
        provider = OAuthClientProvider(canonical(url), metadata, kept, redirect, callback, auth.client_metadata_url)
        transport = _Trusted(httpx2.URL(canonical(url)), outside.open_http())
        async with httpx2.AsyncClient(transport=transport, timeout=ANSWER_SECONDS) as client:
            response = await client.post(canonical(url), json=_HELLO, headers=_HEADERS, auth=provider)
            if kept.tokens is None and response.status_code in _NO_REFUSAL:
                response = await _ask_on(client, canonical(url), response, provider)
    except (OAuthFlowError, httpx2.HTTPError, ValidationError, ValueError) as error:
        return str(error)
    if kept.tokens is None:
        return f"the backend asks for no login: it answered HTTP {response.status_code} to a request without one"
    return _login(url, provider, kept.tokens, auth.scopes, wall())


async def _ask_on(client: httpx2.AsyncClient, url: str, greeted: httpx2.Response, provider: OAuthClientProvider) -> httpx2.Response:
    """Ask for something that is nobody's business but a caller's, in the session that came of the greeting, or in the revision that has none."""
    session = greeted.headers.get("mcp-session-id")
    version = "2025-11-25" if greeted.is_success else "2026-07-28"
    headers = _HEADERS | {"mcp-protocol-version": version} | ({} if session is None else {"mcp-session-id": session})
    meta = {} if greeted.is_success else {"_meta": _INTRODUCTION}
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": meta}
    return await client.post(
        url, json=message, headers=headers | ({} if greeted.is_success else {"mcp-method": "tools/list"}), auth=provider
    )


def _asking_for(address: str, scopes: tuple[str, ...]) -> str:
    """The address with these scopes beside those that the backend has named, which are all that the SDK's client asks for."""
    if not scopes:
        return address
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query["scope"] = " ".join(dict.fromkeys((*query.get("scope", "").split(), *scopes)))
    if "offline_access" in scopes:
        query["prompt"] = "consent"  # OpenID Connect Core, 11
    return urlunsplit(parts._replace(query=urlencode(query)))


def _known_client(auth: OutwardSettings, loopback: Loopback) -> OAuthClientInformationFull | None:
    if auth.client_id is None:
        return None
    secret = None if auth.client_secret is None else auth.client_secret.reveal()
    return OAuthClientInformationFull(
        client_id=auth.client_id,
        client_secret=secret,
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        redirect_uris=[AnyUrl(loopback.url)],
        issuer=auth.issuer,
    )


def _code_in(answer: Mapping[str, str]) -> AuthorizationCodeResult:
    if "code" not in answer:
        why = f"{answer.get('error', '')}: {answer.get('error_description', '')}"[:300].rstrip(": ")
        raise OAuthFlowError(f"it was not allowed: {why}")
    return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))


def _server(provider: OAuthClientProvider) -> tuple[str, str]:
    """Who it is that gives tokens, and where."""
    context: Any = provider.context
    base, server = context.get_authorization_base_url(context.server_url), context.oauth_metadata
    return (base, f"{base}/token") if server is None else (str(server.issuer), str(server.token_endpoint))


def _login(url: str, provider: OAuthClientProvider, tokens: OAuthToken, asked: tuple[str, ...], now: float) -> Login:
    context: Any = provider.context
    client = context.client_info
    return Login(
        canonical(url),
        _server(provider)[1],
        client.client_id,
        tokens.access_token,
        context.get_resource_url(),
        tokens.refresh_token or "",
        client.client_secret or "",
        client.token_endpoint_auth_method or "none",
        tuple((tokens.scope or " ".join((context.client_metadata.scope or "", *asked))).split()),
        None if tokens.expires_in is None else now + tokens.expires_in,
    )
