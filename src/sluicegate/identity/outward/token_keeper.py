"""The token that requests to one backend show: had before it is needed, renewed before it ends, and asked for once, however many want it."""

from __future__ import annotations

import random
from typing import Protocol

import attrs
import msgspec
import trio

from ...protocol.credential import MOST_SCOPES, Challenge
from ...protocol.headers import is_token
from ...protocol.principal import Principal
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..fetching import Fetcher

__all__ = ["Token", "TokenKeeper", "TokenSource"]

log = get_logger("sluicegate.backend.token")

ASK_SECONDS = 30.0
"""For all questions that a token takes."""
AHEAD_SECONDS, AHEAD_SHARE = 60.0, 0.2
"""So long before its end a token is renewed; of one that lives shortly, after four fifths of its time."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
YOUNG_SECONDS = 10.0
"""A token that is refused and younger than that is not the reason: the next one would be refused, too, and calls come faster than tokens."""
DENIED_SECONDS = 60.0
"""So long nothing more is asked for with scopes that no token was had with."""

_NONE_YET = Why("it has no token yet")
_UNSAYABLE = Why("its token could not be had", "what the authorization server gave as a token cannot be sent in a header")
_OVER = Why("its token is no longer looked after")
_SAME = Why("its token was refused", "its token was refused, and so would be the next one")


class Token(msgspec.Struct, frozen=True):
    """What an authorization server gives."""

    value: str
    seconds: float | None = None
    """How long it lasts, where that is known."""


class TokenSource(Protocol):
    """Knows how to get a token."""

    async def fetch(self, scopes: tuple[str, ...], challenge: Challenge) -> Token | Why:
        """Get one, or say why there is none; the caller bounds it in time, and no two are asked for at once.

        Args:
            scopes: those that the backend has asked for since it is there, but for what was denied, beside those that are configured.
            challenge: what the backend has said last.
        """
        ...


@attrs.define(eq=False, repr=False)
class TokenKeeper:
    """Keeps the token of one backend (implements `Credential`). It is the same whoever calls."""

    backend: str
    source: TokenSource
    fetcher: Fetcher
    """What the source asks with; its connections end with this."""
    chance: random.Random
    hint: str = ""
    is_of_callers: bool = False
    _lines: bytes | None = attrs.field(default=None, init=False)
    """Ready to be sent, as long as the token lasts."""
    _failure: Why = attrs.field(default=_NONE_YET, init=False)
    """Why the last question came to nothing."""
    _until: float = attrs.field(default=float("inf"), init=False)
    _had_at: float = attrs.field(default=float("-inf"), init=False)
    """When it was asked for last."""
    _failures: int = attrs.field(default=0, init=False)
    _challenge: Challenge = attrs.field(factory=Challenge, init=False)
    _scopes: tuple[str, ...] = attrs.field(default=(), init=False)
    """Those of what the backend has asked for that tokens were had with."""
    _wished: tuple[str, ...] = attrs.field(default=(), init=False)
    """Those that are to be had with the next one; if there is none with them, the one after that is asked for without."""
    _denied: dict[str, float] = attrs.field(factory=dict, init=False)
    """Those that none was had with, and until when that is believed."""
    _asking: bool = attrs.field(default=True, init=False)
    """Somebody is about to be answered: who comes now waits for that answer."""
    _over: bool = attrs.field(default=False, init=False)
    _wanted: trio.Event = attrs.field(factory=trio.Event, init=False)
    _answered: trio.Event = attrs.field(factory=trio.Event, init=False)

    def at_hand(self, principal: Principal) -> bytes | None:
        """The token, unless it has to be waited for."""
        del principal
        return self._lines

    async def have(self, principal: Principal) -> bytes | Why:
        """The token; a question that failed a moment ago is not asked again."""
        del principal
        if self._lines is None and not self._asking and trio.current_time() - self._had_at >= FIRST_PAUSE_SECONDS:
            self._ask()
        await self._wait()
        return self._failure if self._lines is None else self._lines

    async def renewed(self, principal: Principal, shown: bytes, challenge: Challenge) -> bytes | Why:
        """A newer token than that one, or one for more, if the backend says what it wants."""
        del principal
        more = self._wish(challenge.scopes)
        if self._lines not in {None, shown} and not more:
            await trio.lowlevel.checkpoint()
            return self._lines or self._failure
        if not self._asking and not more and (more is None or trio.current_time() - self._had_at < YOUNG_SECONDS):
            await trio.lowlevel.checkpoint()
            return _SAME
        self._challenge = challenge
        if not self._asking:
            self._ask()
        await self._wait()
        if more and not set(self._wished).isdisjoint(more):  # the one that was under way was asked for without
            await self._wait()
        return self._failure if self._lines is None else _SAME if self._lines == shown else self._lines

    def _wish(self, scopes: tuple[str, ...]) -> tuple[str, ...] | None:
        """Which of them the next token is to have, and this one has not; None where one was denied a moment ago, as all would be again."""
        now = trio.current_time()
        self._denied = {scope: until for scope, until in self._denied.items() if now < until}
        if not self._denied.keys().isdisjoint(scopes):
            return None
        room = max(MOST_SCOPES - len(self._scopes) - len(self._wished) - len(self._denied), 0)
        known = {*self._scopes, *self._wished}
        self._wished += tuple(scope for scope in dict.fromkeys(scopes) if scope not in known)[:room]
        return tuple(scope for scope in scopes if scope in self._wished)

    def _ask(self) -> None:
        self._asking = not self._over
        self._wanted.set()

    async def _wait(self) -> None:
        if self._asking:
            await self._answered.wait()
        else:
            await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Have it, and renew it in time, until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.fetcher.keep)
                while True:
                    self._asking = True
                    wished, challenge = self._wished, self._challenge
                    got = await self._fetch()
                    self._settle(got, wished, challenge)
                    self._take(got)
                    if self._wished:
                        self._ask()
                    await self._rest()
        finally:
            self._over, self._lines, self._failure = True, None, _OVER
            self._tell()

    async def _rest(self) -> None:
        with trio.move_on_after(self._pause()):
            await self._wanted.wait()
        self._wanted = trio.Event()
        if trio.current_time() >= self._until:
            self._lines = None

    async def _fetch(self) -> Token | Why:
        with trio.move_on_after(ASK_SECONDS):
            try:
                got = await self.source.fetch(self._scopes + self._wished, self._challenge)
                return got if isinstance(got, Why) or is_token(got.value) else _UNSAYABLE
            except Exception:  # a bug there costs this token, and no other backend's
                log.exception("bug while a token was asked for", backend=self.backend)
                return Why("its token could not be had", "internal error while its token was asked for; the log has the traceback")
        return Why("its token could not be had", f"no token within {ASK_SECONDS:g} seconds")

    def _settle(self, got: Token | Why, wished: tuple[str, ...], challenge: Challenge) -> None:
        """What a backend has said stays where it led to a token; else it would cost all the next ones, too."""
        self._wished = self._wished[len(wished) :]
        if isinstance(got, Token):
            self._scopes += wished
            return
        self._denied |= dict.fromkeys(wished, trio.current_time() + DENIED_SECONDS)
        if self._challenge is challenge:
            self._challenge = Challenge()

    def _take(self, got: Token | Why) -> None:
        now = self._had_at = trio.current_time()
        if isinstance(got, Why):
            if self._failures == 0:
                log.warning("a token for a backend cannot be had", backend=self.backend, reason=got.operator)
            self._failure, self._failures = got, self._failures + 1
        else:
            if self._failures or self._lines is None:
                log.info("a token for a backend is there", backend=self.backend, seconds=got.seconds)
            self._lines = f"authorization: Bearer {got.value}\r\n".encode("ascii")
            self._until = float("inf") if got.seconds is None else now + got.seconds
            self._failures = 0
        self._tell()

    def _tell(self) -> None:
        """To all who wait."""
        self._asking = False
        answered, self._answered = self._answered, trio.Event()
        answered.set()

    def _pause(self) -> float:
        """Seconds until it is asked for the next time, unless somebody wants it sooner, or it ends."""
        left = self._until - trio.current_time()
        if self._failures == 0:
            return max(FIRST_PAUSE_SECONDS, (left - min(AHEAD_SECONDS, AHEAD_SHARE * left)) * self.chance.uniform(0.95, 1.0))
        pause: float = min(FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE_SECONDS) * self.chance.uniform(0.5, 1.0)
        return min(pause, left) if self._lines is not None else pause
