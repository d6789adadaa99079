"""Which authorization server gives tokens for a backend: what is configured, or what the backend names (RFC 9728, RFC 8414)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import attrs
import msgspec

from ...protocol.addresses import public_part
from ...protocol.credential import Challenge, challenge_of
from ...protocol.why import Why
from ..fetching import Fetcher, Unfetched
from ..issuer_discovery import TRUSTED, addresses, may_be_asked

__all__ = ["ServerSearch", "TokenServer", "canonical", "pages_of"]

_PAGE = "/.well-known/oauth-protected-resource"
_FAILED = "its authorization server cannot be found"
_USUAL = frozenset({"client_secret_basic"})


class TokenServer(msgspec.Struct, frozen=True):
    """Where a token is asked for, and what has to be said there."""

    endpoint: str
    issuer: str = ""
    """Empty where the endpoint alone is configured."""
    resource: str = ""
    """What the token is for (RFC 8707), as the backend calls itself."""
    methods: frozenset[str] = _USUAL
    """How a client may show who it is."""
    scopes: tuple[str, ...] = ()
    """Those that the backend names where nobody says which are wanted."""


@attrs.define(eq=False, repr=False)
class ServerSearch:
    """Finds it, once. Whatever the backend names is its own word, and may lead no nearer than the backend is (P-145)."""

    url: str
    """The backend's, as it is configured."""
    fetcher: Fetcher
    issuer: str | None = None
    endpoint: str | None = None
    resource: str | None = None
    """What the token is to be for; else what the backend calls itself, or its address."""
    _found: TokenServer | None = attrs.field(default=None, init=False)
    _page: str = attrs.field(default="", init=False)
    """Which document the backend named when this was found."""

    async def find(self, challenge: Challenge) -> TokenServer | Why:
        """The server; what was found stays, unless the backend names another document since."""
        if self._found is not None and challenge.metadata in {"", self._page}:
            return self._found
        found = await self._search(challenge)
        if isinstance(found, TokenServer):
            self._found, self._page = found, challenge.metadata
        return found

    def forget(self) -> None:
        """It was not there: look again the next time."""
        self._found = None

    async def _search(self, challenge: Challenge) -> TokenServer | Why:
        own = self.resource or canonical(self.url)
        if self.endpoint is not None:
            return TokenServer(self.endpoint, self.issuer or "", own, methods=frozenset())
        if self.issuer is not None:
            return await self._ask_issuer(self.issuer, own, ())
        tried = []
        for page in pages_of(self.url, challenge.metadata or await self._named()):
            answer = await self.fetcher.get(page)
            if isinstance(answer, Unfetched):
                tried.append(f"{page}: {answer.why}")
                continue
            read = _read_page(self.url, answer.members)
            if isinstance(read, str):
                tried.append(f"{page}: {read}")
                continue
            issuer, resource, scopes = read
            return await self._ask_issuer(issuer, self.resource or resource, scopes)
        return Why(_FAILED, f"{_FAILED}: {'; '.join(tried)}; write issuer in the backend's auth")

    async def _named(self) -> str:
        """The document that the backend names to somebody who shows nothing."""
        answer = await self.fetcher.get(canonical(self.url))
        challenge = challenge_of(answer.challenges) if isinstance(answer, Unfetched) and answer.status == 401 else None
        return "" if challenge is None else challenge.metadata

    async def _ask_issuer(self, issuer: str, resource: str, scopes: tuple[str, ...]) -> TokenServer | Why:
        tried = []
        for url in addresses(issuer):
            answer = await self.fetcher.get(url)
            found = answer.why if isinstance(answer, Unfetched) else _read_server(issuer, answer.members)
            if isinstance(found, tuple):
                endpoint, methods = found
                return TokenServer(endpoint, issuer, resource, methods, scopes)
            tried.append(f"{url}: {found}")
        return Why(_FAILED, f"{_FAILED}: {'; '.join(tried)}")


def pages_of(url: str, named: str) -> Iterator[str]:
    """Where the backend's document may stand: as it says itself, else below its own origin, with its path and without (P-142)."""
    if named and may_be_asked(named, url):
        yield named
    parts = urlsplit(canonical(url))
    path = parts.path.rstrip("/")
    yield f"{parts.scheme}://{parts.netloc}{_PAGE}{path}"
    if path:
        yield f"{parts.scheme}://{parts.netloc}{_PAGE}"


def canonical(url: str) -> str:
    """The address by which a backend is known: an HTTP one, without what may be secret in it."""
    shown = public_part(url)
    return f"http{shown[2:]}" if shown[:2].lower() == "ws" else shown


def _read_page(url: str, members: Mapping[str, object]) -> tuple[str, str, tuple[str, ...]] | str:
    """The issuer, what the token is for, and the scopes; or what is wrong."""
    resource, servers, scopes = members.get("resource"), members.get("authorization_servers"), members.get("scopes_supported")
    if not isinstance(resource, str) or not _covers(resource, canonical(url)):
        return "it is the document of another resource"
    issuer = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(issuer, str) or not may_be_asked(issuer, url):
        return f"it names no authorization server that can be trusted: {TRUSTED}"
    known = tuple(scope for scope in scopes if isinstance(scope, str)) if isinstance(scopes, list) else ()
    return issuer, resource, known


def _covers(resource: str, url: str) -> bool:
    """Whether a token for the one is good for the other: the same origin, and a path that is the same or leads there."""
    try:
        whole, part = urlsplit(resource), urlsplit(url)
    except ValueError:
        return False
    above, below = whole.path.rstrip("/"), part.path.rstrip("/")
    is_origin = (whole.scheme.lower(), whole.netloc.lower()) == (part.scheme.lower(), part.netloc.lower())
    return is_origin and not whole.query and (below == above or below.startswith(f"{above}/"))


def _read_server(issuer: str, members: Mapping[str, object]) -> tuple[str, frozenset[str]] | str:
    """The endpoint and how to show who we are; a document that names another issuer is nobody's (RFC 8414, 3.3)."""
    if members.get("issuer") != issuer:
        return f"the document is that of {str(members.get('issuer'))[:200]!r}"
    endpoint = members.get("token_endpoint")
    if not isinstance(endpoint, str) or not may_be_asked(endpoint, issuer):
        return f"it names no token_endpoint that can be trusted: {TRUSTED}"
    methods = members.get("token_endpoint_auth_methods_supported")
    known = frozenset(method for method in methods if isinstance(method, str)) if isinstance(methods, list) else _USUAL
    return endpoint, known
