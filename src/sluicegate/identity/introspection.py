"""Asking the issuer whose a token is (RFC 7662; AUTH-9): the one question that a request may have to wait for.

So it is asked once for all who show the same token, for so many tokens at a time, and not at all while the issuer does not answer; what it
says is kept for a while.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Mapping
from urllib.parse import quote

import attrs
import trio

from ..protocol.principal import Principal
from ..telling.loggers import get_logger
from .fetching import Fetcher, Unfetched
from .issuer_discovery import ServerMetadata
from .kept_verdicts import KeptVerdicts
from .verifying import Denied, is_token

__all__ = ["AT_ONCE", "MOST_ASKED", "Introspection", "IntrospectionClient"]

log = get_logger("sluicegate.identity")

SECONDS = 5.0
"""For one question."""
LARGEST = 32 * 1024
"""Bytes of an answer, which may be kept for ten thousand callers."""
AT_ONCE = 32
"""Questions on their way."""
MOST_ASKED = 256
"""Questions that are on their way, or wait for it."""
FOR_KNOWN = 64
"""Of these, for tokens that were good before: whoever makes tokens up keeps none of their owners out."""
FAILURES = 5
"""So many in a row, and the issuer is left alone for a while."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 30.0
_TOKENS_FAULT = frozenset({400, 413, 414, 422, 431})
"""Statuses that refuse what the form holds. All others, and answers that are none, say something of the issuer, or of us."""
_OUR_FAULT = frozenset({"access_denied", "invalid_client", "server_error", "slow_down", "temporarily_unavailable", "unauthorized_client"})
"""Names of errors that do so in spite of such a status (RFC 6749, section 5.2)."""
_IN_FRONT = frozenset({502, 503, 504})
"""Statuses of whoever stands before an issuer that is not there; one that stumbles over a token has others."""
_AWAY = "the identity provider cannot be reached; try again later"
_REFUSED = Denied("invalid token: its issuer refuses to look at it")


@attrs.frozen(eq=False)
class IntrospectionClient:
    """Who we are to the issuer."""

    id: str
    secret: str = attrs.field(repr=False)

    def credentials(self, methods: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and members of the form, as the issuer takes them (RFC 6749, section 2.3.1)."""
        if "client_secret_basic" not in methods and "client_secret_post" in methods:
            return {}, {"client_id": self.id, "client_secret": self.secret}
        pair = f"{quote(self.id, safe='')}:{quote(self.secret, safe='')}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}


@attrs.define(eq=False)
class _Flight:
    """One question, and all who wait for its answer."""

    done: trio.Event = attrs.field(factory=trio.Event)
    verdict: Principal | Denied | None = None


@attrs.define(eq=False, repr=False)
class Introspection:
    """Knows whose tokens are by asking. Somebody gives it a task, in which its questions are asked: who waits may go, and the others still hear."""

    where: Callable[[], ServerMetadata | None]
    """What is known of the issuer; None where it has not told yet."""
    fetcher: Fetcher
    client: IntrospectionClient
    judge: Callable[[Mapping[str, object]], Principal | Denied]
    """Whether the claims of an active token are for us, and whose they are."""
    kept: KeptVerdicts
    known_after: Callable[[], int] = lambda: 1
    """Seconds after which it will have been asked about itself, where it has not told yet."""
    _flights: dict[bytes, _Flight] = attrs.field(factory=dict, init=False)
    _places: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE), init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _pause: float = attrs.field(default=FIRST_PAUSE_SECONDS, init=False)
    _open_until: float = attrs.field(default=-math.inf, init=False)

    async def run(self) -> None:
        """Ask; ends when it is cancelled, and whoever waits then is told that nobody can tell."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(trio.sleep_forever)
        finally:
            self._nursery = None

    async def verify(self, token: bytes) -> Principal | Denied:
        """Whose it is. What is kept is told without a checkpoint."""
        digest = hashlib.sha256(token).digest()
        return self.kept.find(digest) or await self._asked(digest, token)

    async def _asked(self, digest: bytes, token: bytes) -> Principal | Denied:
        if not is_token(token):
            return Denied("invalid token: what was sent is none")
        flight = self._flights.get(digest)
        if flight is None:
            wait = self._wait(digest)
            if wait is not None or self._nursery is None:
                return Denied(_AWAY, wait or 1)
            flight = self._flights[digest] = _Flight()
            self._nursery.start_soon(self._fly, digest, token, flight)
        await flight.done.wait()
        return flight.verdict or Denied(_AWAY, 1)

    def _wait(self, digest: bytes) -> int | None:
        """Seconds to wait before a question can be asked; None where it can be asked now."""
        now, asked = trio.current_time(), len(self._flights)
        if now < self._open_until:
            return math.ceil(self._open_until - now)
        if self._failures >= FAILURES and asked:
            return 1  # one question shows whether it is back
        return 1 if asked >= MOST_ASKED - (0 if self.kept.knew(digest) else FOR_KNOWN) else None

    async def _fly(self, digest: bytes, token: bytes, flight: _Flight) -> None:
        try:
            async with self._places:
                flight.verdict = await self._ask(digest, token)
        finally:
            del self._flights[digest]
            flight.done.set()

    async def _ask(self, digest: bytes, token: bytes) -> Principal | Denied:
        issuer = self.where()
        if issuer is None or issuer.introspection_endpoint is None:
            return Denied(_AWAY, self.known_after())
        if (now := trio.current_time()) < self._open_until:  # while this one waited for its place
            return Denied(_AWAY, math.ceil(self._open_until - now))
        headers, form = self.client.credentials(issuer.introspection_methods)
        form |= {"token": token.decode("ascii"), "token_type_hint": "access_token"}
        answer = await self.fetcher.post(issuer.introspection_endpoint, form, headers)
        if isinstance(answer, Unfetched):
            return self._unanswered(digest, answer)
        if not isinstance(answer.members.get("active"), bool):
            return self._failed("the answer does not say whether the token is active")
        if self._failures >= FAILURES:
            log.info("the issuer answers questions about tokens again", issuer=issuer.issuer)
        self._failures, self._pause = 0, FIRST_PAUSE_SECONDS
        verdict = self.judge(answer.members) if answer.members["active"] else Denied("invalid token: its issuer says that it is not active")
        self.kept.keep(digest, verdict)
        return verdict

    def _unanswered(self, digest: bytes, answer: Unfetched) -> Denied:
        """This token got no answer. No token must keep others from theirs, so what may be its own doing counts for it alone."""
        status = answer.status or 0
        if answer.is_too_large or (status in _TOKENS_FAULT and answer.code not in _OUR_FAULT):
            self.kept.keep(digest, _REFUSED)
            return _REFUSED
        return Denied(_AWAY, 1) if status >= 500 and status not in _IN_FRONT else self._failed(answer.why)

    def _failed(self, why: str) -> Denied:
        self._failures += 1
        if self._failures < FAILURES:
            return Denied(_AWAY, 1)
        now = trio.current_time()
        if now >= self._open_until:  # else others failed at the same time
            if self._failures == FAILURES:
                log.warning("the issuer does not answer questions about tokens", reason=why)
            self._open_until = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return Denied(_AWAY, math.ceil(self._open_until - now))
