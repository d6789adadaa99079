"""Where an issuer has its keys and answers questions about tokens, by its own word (RFC 8414, OpenID Connect Discovery; AUTH-8).

It is asked for in the background and kept: no request waits for it, and what was found once holds while the issuer is away.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import attrs
import msgspec
import trio

from ..protocol.addresses import is_address, is_loopback, reach_of
from ..telling.loggers import get_logger
from .fetching import Fetcher, Unfetched

__all__ = ["TRUSTED", "IssuerDiscovery", "ServerMetadata", "may_be_asked"]

log = get_logger("sluicegate.identity")

FRESH_SECONDS = 3600.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
TRUSTED = "it must be https (http only where both are on this machine), and no address of a nearer network than the one that names it"
"""What `may_be_asked` wants, for the operator."""
_OAUTH, _OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


class ServerMetadata(msgspec.Struct, frozen=True):
    """What an authorization server says of itself, as far as a resource server needs it."""

    issuer: str
    jwks_uri: str | None = None
    introspection_endpoint: str | None = None
    introspection_methods: frozenset[str] = frozenset({"client_secret_basic"})
    """How a client may show who it is there."""


@attrs.define(eq=False, repr=False)
class IssuerDiscovery:
    """Finds out about one issuer, and again every hour. Who runs it gives it a task."""

    issuer: str
    fetcher: Fetcher
    chance: random.Random
    needs: frozenset[str] = frozenset()
    """Members that a document must have; one without is no answer."""
    found: ServerMetadata | None = attrs.field(default=None, init=False)
    """None until it has answered once."""
    failure: str = attrs.field(default="", init=False)
    """Why it did not answer the last time; empty where it did."""
    _next_at: float = attrs.field(default=-math.inf, init=False)
    _there: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self) -> None:
        """Ask until there is an answer, then now and then; ends when it is cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            if await self._ask():
                pause, wait = FIRST_PAUSE_SECONDS, FRESH_SECONDS
            else:
                wait, pause = pause, min(2 * pause, LONGEST_PAUSE_SECONDS)
            wait *= self.chance.uniform(0.8, 1.0)
            self._next_at = trio.current_time() + wait
            await trio.sleep(wait)

    async def wait_found(self) -> ServerMetadata:
        """What it says, as soon as it has said anything."""
        await self._there.wait()
        assert self.found is not None
        return self.found

    def retry_after(self) -> int:
        """Seconds after which it will have been asked again, for whoever cannot be answered before."""
        return max(1, math.ceil(self._next_at - trio.current_time())) if self._next_at > -math.inf else 1

    async def _ask(self) -> bool:
        failures = []
        for url in addresses(self.issuer):
            answer = await self.fetcher.get(url)
            found = f"{url}: {answer.why}" if isinstance(answer, Unfetched) else read(self.issuer, answer.members, self.needs)
            if isinstance(found, ServerMetadata):
                self._take(found)
                return True
            failures.append(found)
        failure = "; ".join(dict.fromkeys(failures))
        if failure != self.failure:
            self.failure = failure
            log.warning(
                "the issuer of tokens cannot be asked about itself", issuer=self.issuer, reason=failure, known=self.found is not None
            )
        return False

    def _take(self, found: ServerMetadata) -> None:
        if found != self.found or self.failure:
            log.info("the issuer of tokens has told about itself", issuer=self.issuer)
        self.found, self.failure = found, ""
        self._there.set()


def addresses(issuer: str) -> Iterator[str]:
    """Where its metadata may stand, the likeliest first; what its URL has of a path comes behind the well-known part, or before it."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{origin}{_OAUTH}{path}"
    yield f"{origin}{_OPENID}{path}"
    if path:
        yield f"{origin}{path}{_OPENID}"
        yield f"{origin}{path}{_OAUTH}"


def read(issuer: str, members: Mapping[str, object], needs: frozenset[str] = frozenset()) -> ServerMetadata | str:
    """What a document says, or what is wrong with it, in words for the operator.

    One that names another issuer is nobody's (RFC 8414, 3.3): whoever can put a file there would else make the tokens of somebody else's server good here.
    """
    named = members.get("issuer")
    if named != issuer:
        told = repr(named)[:200] if isinstance(named, str) else "no issuer at all"
        hint = f": write issuer = {named[:200]!r}" if isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/") else ""
        return f"the document is that of {told}, and not of {issuer!r}{hint}"
    found = {}
    for name in ("jwks_uri", "introspection_endpoint"):
        url = members.get(name)
        if url is None and name in needs:
            return f"the document names no {name}, so the configuration has to"
        if url is None:
            continue
        if not isinstance(url, str) or not may_be_asked(url, issuer):
            return f"{name} is no address that can be trusted: {TRUSTED}; else the configuration has to name it"
        found[name] = url
    methods = members.get("introspection_endpoint_auth_methods_supported", members.get("token_endpoint_auth_methods_supported"))
    known = frozenset(method for method in methods if isinstance(method, str)) if isinstance(methods, list) else frozenset()
    return ServerMetadata(issuer, found.get("jwks_uri"), found.get("introspection_endpoint"), known or frozenset({"client_secret_basic"}))


def may_be_asked(url: str, issuer: str) -> bool:
    """Whether a document of this issuer may lead there (P-145): by https, and to no host that fewer can reach than the issuer's own.

    Who wrote the issuer into the configuration has said by that how near to go. A name that the DNS leads inside is not looked at: there
    must be somebody who has a certificate for it.
    """
    if not is_address(url) or not url.isascii():  # letters that look like digits become digits where a name is looked up
        return False
    at, home = urlsplit(url), urlsplit(issuer)
    if at.username is not None or at.fragment:
        return False
    at_host, home_host = at.hostname or "", home.hostname or ""
    if is_loopback(at_host):
        return is_loopback(home_host)
    return at.scheme == "https" and reach_of(at_host) >= reach_of(home_host)
