"""Asking an authorization server for a token: as a client of it, with a secret or with a signature (RFC 6749, 4.4; RFC 7523)."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

import attrs

from ...protocol.credential import Challenge
from ...protocol.why import Why
from ..fetching import Fetcher, Unfetched
from .server_search import ServerSearch, TokenServer
from .token_keeper import Token

__all__ = ["ClientGrant", "ClientProof", "KeyProof", "PublicProof", "SecretProof", "Signer", "ask_for_token", "token_in"]

_FAILED = "its token could not be had"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientProof(Protocol):
    """How a client shows that it is the one it says."""

    @abstractmethod
    async def shown(self, server: TokenServer) -> tuple[Mapping[str, str], Mapping[str, str]] | Why:
        """What the form and the headers of a request carry for that; or why it cannot be shown."""


@attrs.frozen(repr=False)
class SecretProof(ClientProof):
    """By a secret that both know; in a header, unless the server takes it in the form alone."""

    client_id: str
    secret: str

    async def shown(self, server: TokenServer) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Itself."""
        if "client_secret_post" in server.methods and "client_secret_basic" not in server.methods:
            return {"client_id": self.client_id, "client_secret": self.secret}, {}
        pair = f"{quote(self.client_id, safe='')}:{quote(self.secret, safe='')}"  # RFC 6749, 2.3.1
        return {}, {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


@attrs.frozen(repr=False)
class PublicProof(ClientProof):
    """None: a client without a secret says who it is, and is believed for what else it shows."""

    client_id: str

    async def shown(self, server: TokenServer) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Its name."""
        del server
        return {"client_id": self.client_id}, {}


class Signer(Protocol):
    """Signs what we say of ourselves."""

    async def sign(self, claims: Mapping[str, object]) -> str | Why:
        """A compact JWT; or why there is none."""
        ...


@attrs.frozen(repr=False)
class KeyProof(ClientProof):
    """By a signature with a key of our own, which never leaves this machine."""

    client_id: str
    signer: Signer

    async def shown(self, server: TokenServer) -> tuple[Mapping[str, str], Mapping[str, str]] | Why:
        """A statement for that server alone, good for a minute."""
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": server.issuer or server.endpoint}
        signed = await self.signer.sign(claims)
        if isinstance(signed, Why):
            return signed
        return {"client_id": self.client_id, "client_assertion_type": _ASSERTION, "client_assertion": signed}, {}


@attrs.frozen(eq=False, repr=False)
class ClientGrant:
    """The token of a client that acts for itself (implements `TokenSource`)."""

    search: ServerSearch
    fetcher: Fetcher
    proof: ClientProof
    scopes: tuple[str, ...] = ()

    async def fetch(self, scopes: tuple[str, ...], challenge: Challenge) -> Token | Why:
        """Find the server, and ask it."""
        server = await self.search.find(challenge)
        if isinstance(server, Why):
            return server
        wanted = tuple(dict.fromkeys((*self.scopes, *scopes))) or server.scopes
        form = {"grant_type": "client_credentials"} | ({"scope": " ".join(wanted)} if wanted else {})
        got = await ask_for_token(self.fetcher, server, self.proof, form)
        if isinstance(got, Why):
            self.search.forget()
        return got


async def ask_for_token(fetcher: Fetcher, server: TokenServer, proof: ClientProof, form: Mapping[str, str]) -> Token | Why:
    """One request to the token endpoint, for this backend and no other (RFC 8707)."""
    shown = await proof.shown(server)
    if isinstance(shown, Why):
        return shown
    more, headers = shown
    answer = await fetcher.post(server.endpoint, {**form, **more, "resource": server.resource}, headers)
    if isinstance(answer, Unfetched):
        return Why(_FAILED, f"{_FAILED}: {server.endpoint}: {answer.why}")
    return token_in(answer.members)


def token_in(members: Mapping[str, object]) -> Token | Why:
    """The token of a successful answer (RFC 6749, 5.1)."""
    value, kind, seconds = members.get("access_token"), members.get("token_type"), members.get("expires_in")
    if not isinstance(value, str) or not value:
        return Why(_FAILED, f"{_FAILED}: the answer holds none")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return Why(_FAILED, f"{_FAILED}: it is no bearer token, and no other kind can be shown")
    lasts = float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0 else None
    return Token(value, lasts)
