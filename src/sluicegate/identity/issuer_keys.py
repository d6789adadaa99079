"""The keys of one issuer, as they are now: fetched in the background and kept while the issuer is away (AUTH-5, AUTH-6).

Calls go by the keys that are there. A token that names a key which nobody knows has the set fetched once more, for all such tokens together,
and its call waits no longer than a moment for that.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Iterable

import attrs
import trio

from ..telling.loggers import get_logger
from .fetching import Fetched, Fetcher, Unfetched
from .signed_token import SignedToken
from .signing_keys import KeySet, SigningKey, read_key_set
from .verifying import Denied

__all__ = ["FetchedKeys", "GivenKeys", "IssuerKeys"]

log = get_logger("sluicegate.identity")

FRESH_SECONDS = 300.0
"""Until the keys are fetched again, where their answer says nothing of it."""
SHORTEST_SECONDS, LONGEST_SECONDS = 30.0, 3600.0
"""Whatever the answer says."""
WISH_SECONDS = 10.0
"""Between two fetches for the sake of keys that nobody knows."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
MOMENT_SECONDS = 1.0
"""How long a call waits for a fetch that is due anyway; who rotates keys without a word beforehand then loses no call."""
MOST_WAITING = 64
"""Calls that do so; others are told to come back."""
_MOST_MISSED = 256
"""Names of keys that are known not to be there."""
_AWAY = "the identity provider cannot be reached; try again later"
_UNKNOWN = Denied("invalid token: its issuer has no such key")


@attrs.frozen(eq=False, repr=False)
class GivenKeys:
    """Keys that were given with the configuration, and stay."""

    keys: KeySet

    async def candidates(self, token: SignedToken) -> tuple[SigningKey, ...] | Denied:
        """Those that may have signed a token; it is never waited for."""
        return self.keys.candidates(token) or _UNKNOWN


@attrs.define(eq=False, repr=False)
class FetchedKeys:
    """Keys that the issuer tells. Somebody gives it a task."""

    issuer: str
    address: Callable[[], Awaitable[str | None]]
    """Where they are; it waits until that can be told, and tells None where the issuer has none."""
    fetcher: Fetcher
    chance: random.Random
    on_withdrawn: Callable[[], None] = lambda: None
    """Called when a key is there no more, whose tokens were good until now."""
    keys: KeySet | None = attrs.field(default=None, init=False)
    """None until they were there once."""
    failure: str = attrs.field(default="", init=False)
    """Why they could not be fetched the last time; empty where they could."""
    _began_at: float = attrs.field(default=-math.inf, init=False)
    """When they were fetched last, or are."""
    _next_at: float = attrs.field(default=-math.inf, init=False)
    _is_fetching: bool = attrs.field(default=False, init=False)
    _wished: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Of the fetch that is going on, or the next one."""
    _missed: dict[str | None, float] = attrs.field(factory=dict, init=False)
    """Names of keys that tokens had and the set had not; until when that is known, which is past where it was not fetched since."""
    _waiting: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Fetch them, again before they are old, and as soon as somebody needs one that is not there; ends when it is cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            url = await self.address()
            fresh = await self._fetch(url)
            if fresh is None:
                wait, pause = pause, min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                wait, pause = fresh, FIRST_PAUSE_SECONDS
            await self._rest(wait * self.chance.uniform(0.8, 1.0))

    async def candidates(self, token: SignedToken) -> tuple[SigningKey, ...] | Denied:
        """Those that may have signed a token; without a checkpoint where they are there."""
        if self.keys is None:
            return Denied(_AWAY, self._retry_after(self._next_at))
        found = self.keys.candidates(token)
        if found or self._is_missing(token.key_id):
            return found or _UNKNOWN
        if not self._wish(token.key_id) or self._waiting >= MOST_WAITING:
            return Denied(_AWAY, self._retry_after(self._began_at + WISH_SECONDS))
        self._waiting += 1
        try:
            ended = self._ended
            with trio.move_on_after(MOMENT_SECONDS):
                await ended.wait()
        finally:
            self._waiting -= 1
        found = self.keys.candidates(token)
        return found or (_UNKNOWN if self._is_missing(token.key_id) else Denied(_AWAY, self._retry_after(self._next_at)))

    def _wish(self, name: str | None) -> bool:
        """Have the set fetched for a key that is not there; whether that is going to be now."""
        self._miss([name], was_looked_for=False)
        self._wished.set()
        return self._is_fetching or trio.current_time() >= self._began_at + WISH_SECONDS

    def _is_missing(self, name: str | None) -> bool:
        """Whether it was looked for just now. That lapses: who publishes a key after its first token has it found all the same."""
        return trio.current_time() < self._missed.get(name, -math.inf)

    def _miss(self, names: Iterable[str | None], *, was_looked_for: bool) -> None:
        until = trio.current_time() + WISH_SECONDS if was_looked_for else -math.inf
        for name in names:
            self._missed[name] = until
        while len(self._missed) > _MOST_MISSED:
            self._missed.pop(next(iter(self._missed)))

    async def _rest(self, seconds: float) -> None:
        """Wait until they are to be fetched again; for a wish no shorter than from one to the next."""
        now = trio.current_time()
        self._next_at = now + seconds
        wished = self._wished
        with trio.move_on_at(self._next_at):
            await wished.wait()
            self._next_at = min(self._next_at, max(now, self._began_at + WISH_SECONDS))
            await trio.sleep_until(self._next_at)

    async def _fetch(self, url: str | None) -> float | None:
        """Fetch them once; returns for how long they are fresh, or None if that failed."""
        self._began_at, self._is_fetching, self._wished = trio.current_time(), True, trio.Event()
        before = list(self._missed)
        try:
            answer = Unfetched("the issuer does not say where they are") if url is None else await self.fetcher.get(url)
        finally:
            self._is_fetching = False
        fresh = self._taken(url, answer)
        if fresh is not None:
            self._miss(before, was_looked_for=True)
        ended, self._ended = self._ended, trio.Event()
        ended.set()
        return fresh

    def _taken(self, url: str | None, answer: Fetched | Unfetched) -> float | None:
        keys = KeySet((), (answer.why,)) if isinstance(answer, Unfetched) else read_key_set(answer.members)
        if isinstance(answer, Unfetched) or not keys.keys:
            failure = "; ".join(keys.remarks[:3]) or "there are no keys for signatures in it"
            if failure != self.failure:
                log.warning("the keys of an issuer cannot be had", issuer=self.issuer, url=url, reason=failure, stale=self.keys is not None)
            self.failure = failure
            return None
        old, self.keys = self.keys, keys
        is_new = old is None or old.replaces(keys) or keys.replaces(old)
        if is_new or self.failure:
            log.info("the keys of an issuer are there", issuer=self.issuer, keys=len(keys.keys))
        if keys.remarks and (is_new or old is None or old.remarks != keys.remarks):
            log.warning("some keys of an issuer are left out", issuer=self.issuer, reason="; ".join(keys.remarks[:3]))
        self.failure = ""
        if old is not None and keys.replaces(old):
            self._miss({key.id for key in old.keys} - {key.id for key in keys.keys}, was_looked_for=True)
            self.on_withdrawn()
        return min(max(FRESH_SECONDS if answer.max_age is None else answer.max_age, SHORTEST_SECONDS), LONGEST_SECONDS)

    @staticmethod
    def _retry_after(at: float) -> int:
        return max(1, math.ceil(at - trio.current_time())) if at > -math.inf else 1


IssuerKeys = GivenKeys | FetchedKeys
