"""What a person has allowed once with ``sluicegate login``: kept, and renewed for as long as the authorization server goes along (RFC 6749, 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import msgspec
import trio

from ...protocol.credential import Challenge
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..fetching import Fetcher, Unfetched
from .grants import ClientProof, PublicProof, SecretProof, token_in
from .server_search import TokenServer, canonical
from .token_keeper import Token

__all__ = ["Login", "LoginStore", "StoredLogin"]

log = get_logger("sluicegate.backend.token")

LEAST_SECONDS = 60.0
"""An access token that ends sooner is renewed before it is shown to anybody."""
EXCHANGE_SECONDS = 15.0
"""For asking and keeping: what was asked for is taken to its end, since the old one may be no good any more."""
SAVE_AGAIN_SECONDS = 60.0
"""After which what could not be kept is asked for again, whatever it lasts."""
_NAME = "needs login"


class Login(msgspec.Struct, frozen=True):
    """A grant, with all that it takes to renew it."""

    url: str
    """The backend that it is for, and no other."""
    token_endpoint: str
    client_id: str
    access_token: str
    resource: str = ""
    refresh_token: str = ""
    client_secret: str = ""
    """Of a client that was registered with one."""
    method: str = "none"
    """How the client shows who it is."""
    scopes: tuple[str, ...] = ()
    expires_at: float | None = None
    """The time of day when the access token ends, where that is known."""

    @classmethod
    def read(cls, content: bytes) -> Login | None:
        """What was kept; None where that is none."""
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.DecodeError:
            return None

    @property
    def proof(self) -> ClientProof:
        """How its client shows who it is."""
        return SecretProof(self.client_id, self.client_secret) if self.client_secret else PublicProof(self.client_id)


class LoginStore(Protocol):
    """Where a login is kept."""

    async def load(self) -> bytes | None:
        """What is there, if there is anything; raises `OSError`."""
        ...

    async def save(self, content: bytes) -> None:
        """Put this in its place, whole or not at all; raises `OSError`."""
        ...


@attrs.define(eq=False, repr=False)
class StoredLogin:
    """The tokens of a login (implements `TokenSource`). It is read each time: a person may have logged in again, or another process renewed it."""

    url: str
    """The backend's, as it is configured."""
    command: str
    """What the operator types to log in."""
    store: LoginStore | None
    """None where there is no place for it."""
    fetcher: Fetcher
    wall: Callable[[], float]
    _given: str = attrs.field(default="", init=False)
    """The access token that was given last; who asks again wants another."""
    _content: bytes | None = attrs.field(default=None, init=False)
    """What was read last."""
    _unkept: Login | None = attrs.field(default=None, init=False)
    """What came of that and is not in its place yet: the refresh token that is there may be good no more."""

    async def fetch(self, scopes: tuple[str, ...], challenge: Challenge) -> Token | Why:
        """The access token that is kept, or a newer one."""
        del challenge
        if self.store is None:
            return Why(_NAME, f"{_NAME}, and there is no place to keep one: give the gateway a configuration file")
        try:
            login = await self._load(self.store)
            if isinstance(login, Why):
                return login
            if missing := [scope for scope in scopes if scope not in login.scopes]:
                log.warning("a backend wants more than was allowed", url=canonical(self.url), scopes=missing, command=self.command)
            token = self._usable(login)
            return await self._renew(self.store, login) if token is None else token
        except OSError as error:
            return Why("its login cannot be read or kept", f"its login cannot be read or kept: {error}")

    async def _load(self, store: LoginStore) -> Login | Why:
        try:
            content = await store.load()
        except OSError:
            if self._unkept is None:
                raise
            return self._unkept
        if self._unkept is not None and content == self._content:
            unkept = self._unkept
            await self._save(store, unkept)
            return unkept
        self._content, self._unkept = content, None  # a person or another process has put something newer there
        login = None if content is None else Login.read(content)
        if login is None or login.url != canonical(self.url):
            return self._needed("nobody has logged in" if content is None else "what is kept is no login for this address")
        return login

    def _needed(self, why: str) -> Why:
        return Why(_NAME, f"{_NAME}: {why}; run '{self.command}'")

    def _usable(self, login: Login) -> Token | None:
        """Its access token, if that was not given before, and lasts for a while or cannot be renewed."""
        left = None if login.expires_at is None else login.expires_at - self.wall()
        lasts = left is None or left > (LEAST_SECONDS if login.refresh_token else 0)
        if login.access_token == self._given or not lasts:
            return None
        self._given = login.access_token
        return Token(login.access_token, left)

    async def _renew(self, store: LoginStore, login: Login) -> Token | Why:
        """Ask for the next one, and keep it before anybody is shown it; once it is asked for, that goes on to its end."""
        if not login.refresh_token:
            return self._needed("its token has ended, or is not taken any more, and cannot be renewed")
        with trio.move_on_after(EXCHANGE_SECONDS, shield=True):
            answer = await self._ask(login)
            if not isinstance(answer, Unfetched):
                return await self._keep(store, login, answer)
            if answer.code not in {"invalid_grant", "invalid_client", "unauthorized_client"}:
                return Why("its token could not be renewed", f"its token could not be renewed: {login.token_endpoint}: {answer.why}")
            now = await self._load(store)
            newer = None if isinstance(now, Why) or now.access_token == login.access_token else self._usable(now)
            return newer or self._needed(f"{login.token_endpoint} does not renew its token ({answer.code})")
        return Why("its token could not be renewed", f"its token was not renewed within {EXCHANGE_SECONDS:g} seconds")

    async def _ask(self, login: Login) -> dict[str, object] | Unfetched:
        server = TokenServer(login.token_endpoint, methods=frozenset({login.method}))
        shown = await login.proof.shown(server)
        assert not isinstance(shown, Why)  # nothing has to be read for either
        more, headers = shown
        resource = {"resource": login.resource} if login.resource else {}
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, **resource, **more}
        answer = await self.fetcher.post(login.token_endpoint, form, headers)
        return answer if isinstance(answer, Unfetched) else dict(answer.members)

    async def _keep(self, store: LoginStore, login: Login, members: dict[str, object]) -> Token | Why:
        token = token_in(members)
        if isinstance(token, Why):
            return token
        refresh, granted = members.get("refresh_token"), members.get("scope")
        renewed = msgspec.structs.replace(
            login,
            access_token=token.value,
            refresh_token=refresh if isinstance(refresh, str) and refresh else login.refresh_token,
            scopes=tuple(granted.split()) if isinstance(granted, str) else login.scopes,
            expires_at=None if token.seconds is None else self.wall() + token.seconds,
        )
        is_kept = await self._save(store, renewed)
        self._given = token.value
        if is_kept or renewed.refresh_token == login.refresh_token:
            return token
        return Token(token.value, min(SAVE_AGAIN_SECONDS, token.seconds or SAVE_AGAIN_SECONDS))

    async def _save(self, store: LoginStore, login: Login) -> bool:
        """Whether it is in its place; what is not, or is cut on the way, is put there the next time."""
        was_told, self._unkept = self._unkept is not None, login
        try:
            await store.save(msgspec.json.encode(login))
        except OSError as error:
            if not was_told:
                log.warning("a login that was renewed cannot be kept, and ends with the gateway", url=canonical(self.url), error=str(error))
            return False
        self._unkept = None
        return True
