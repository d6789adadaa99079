"""Telling a backend who calls, in a token that we sign: for that backend, for minutes, and in the place of what the client has shown (P-143)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import attrs
import trio

from ...protocol.credential import Challenge
from ...protocol.principal import NOBODY, Principal
from ...protocol.why import Why
from ...telling.loggers import get_logger
from .identity_keys import IdentityKey, IdentityKeys

__all__ = ["OwnTokens"]

log = get_logger("sluicegate.backend.token")

LIFE_SECONDS = 300
SHOWN_SECONDS = 240
"""So long a token is shown; what is left of its life is for the clocks of others, and for calls that wait on their way."""
YOUNG_SECONDS = 10.0
"""One that is refused and younger than that would be refused again."""
MOST_KEPT = 4096
"""Callers whose tokens are kept; for who comes beyond them the oldest goes."""
PAUSE_SECONDS = 30.0
"""After which a key that could not be read is looked for again."""
_ID_BYTES = 12

_NO_KEY = Why("the key that signs for it is not there")
_SAME = Why(
    "its token was refused", "its token was refused, and so would be the next one: does it read /.well-known/jwks.json of this gateway?"
)


class _Made(NamedTuple):
    lines: bytes
    scopes: frozenset[str]
    roles: frozenset[str]
    at: float


@attrs.define(eq=False, repr=False)
class OwnTokens:
    """Those for one backend (implements `Credential`)."""

    backend: str
    issuer: str
    """What we are called in them."""
    audience: str
    """Whom they are for."""
    keys: IdentityKeys
    key_file: str | None
    """The file of the key; ours unless given."""
    wall: Callable[[], float]
    secret: Callable[[int], bytes]
    is_of_callers: bool = True
    hint: str = "the backend reads the keys of the gateway at /.well-known/jwks.json"
    _key: IdentityKey | None = attrs.field(default=None, init=False)
    _failure: Why = attrs.field(default=_NO_KEY, init=False)
    _tried: trio.Event = attrs.field(factory=trio.Event, init=False)
    _made: dict[str, _Made] = attrs.field(factory=dict, init=False)
    """By the caller, oldest first."""

    def at_hand(self, principal: Principal) -> bytes | None:
        """The caller's token; it takes a tenth of a millisecond where there is none yet, and a look into a dict where there is."""
        made = self._made.get(principal.key)
        now = self.wall()
        if made is not None and 0 <= now - made.at < SHOWN_SECONDS and made.roles == principal.roles and made.scopes == principal.scopes:
            return made.lines
        return None if self._key is None else self._make(self._key, principal, now)

    async def have(self, principal: Principal) -> bytes | Why:
        """The same; until the key has been read once it is waited for."""
        await self._tried.wait()
        return self.at_hand(principal) or self._failure

    async def renewed(self, principal: Principal, shown: bytes, challenge: Challenge) -> bytes | Why:
        """Another one, unless what was refused is as good as new."""
        del challenge
        await trio.lowlevel.checkpoint()
        made = self._made.get(principal.key)
        if made is not None and made.lines == shown:
            if 0 <= self.wall() - made.at < YOUNG_SECONDS:
                return _SAME
            del self._made[principal.key]
        return self.at_hand(principal) or self._failure

    async def run(self) -> None:
        """Read the key, however often it takes."""
        try:
            while self._key is None:
                try:
                    self._key = await self.keys.open(self.key_file)
                except (OSError, ValueError) as error:
                    self._failure = Why(_NO_KEY.public, f"{_NO_KEY.public}: {error}")
                    log.warning("the key that signs for a backend cannot be used", backend=self.backend, error=str(error))
                self._tried.set()
                if self._key is None:
                    await trio.sleep(PAUSE_SECONDS)
            await trio.sleep_forever()
        finally:
            self._tried.set()

    def _make(self, key: IdentityKey, principal: Principal, now: float) -> bytes:
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": principal.key or self.issuer,
            "iat": int(now),
            "exp": int(now) + LIFE_SECONDS,
            "jti": self.secret(_ID_BYTES).hex(),
        }
        if principal.key != NOBODY.key:
            claims |= {"caller": {"subject": principal.subject, "issuer": principal.issuer, "name": principal.name}}
        if principal.scopes:
            claims["scope"] = " ".join(sorted(principal.scopes))
        if principal.roles:
            claims["roles"] = sorted(principal.roles)
        lines = f"authorization: Bearer {key.sign(claims)}\r\n".encode("ascii")
        self._made.pop(principal.key, None)
        if len(self._made) >= MOST_KEPT:
            del self._made[next(iter(self._made))]
        self._made[principal.key] = _Made(lines, principal.scopes, principal.roles, now)
        return lines
