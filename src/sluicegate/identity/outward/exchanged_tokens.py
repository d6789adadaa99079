"""A token for each caller, for which his own is exchanged at a server that the operator has named (RFC 8693, LIM-1).

The backend gets what that server has made for it, and never what the client has shown (P-143).
"""

from __future__ import annotations

from typing import NamedTuple

import attrs
import trio

from ...protocol.credential import Challenge
from ...protocol.headers import is_token
from ...protocol.principal import Principal
from ...protocol.why import Why
from ...telling.loggers import get_logger
from ..fetching import Fetcher
from .grants import ClientProof, ask_for_token
from .server_search import ServerSearch
from .token_keeper import ASK_SECONDS, Token, TokenKeeper

__all__ = ["ExchangedTokens"]

log = get_logger("sluicegate.backend.token")

USUAL_SECONDS = 300.0
"""How long a token is taken to last that does not say so."""
AHEAD_SECONDS, AHEAD_SHARE = 30.0, 0.2
"""So long before its end a token is shown no more."""
FAILED_SECONDS = 5.0
"""So long a failure is told to whoever else comes for the same caller."""
YOUNG_SECONDS = 10.0
MOST_KEPT, MOST_OF_ONE = 4096, 8
"""Callers whose tokens are kept, and tokens of each of them; for who comes beyond them the oldest goes."""
MOST_ASKED, MOST_AT_ONCE = 512, 16
"""Exchanges that are begun, and those of them that the server works on. Of one caller no more are begun than are kept."""

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS = "urn:ietf:params:oauth:token-type:access_token"
_NO_TOKEN = Why("there is no token of the caller's to exchange")
_FULL = Why("too many callers wait for tokens of theirs")
_OVER = Why("its tokens are no longer looked after")
_OWN = Why("its token could not be had", "the server gave back the caller's own token, which no backend gets")
_SAME = Why("its token was refused", "its token was refused, and so would be the next one")


class _Had(NamedTuple):
    lines: bytes | None
    why: Why
    at: float
    until: float


@attrs.define(eq=False, repr=False)
class ExchangedTokens:
    """Those for one backend (implements `Credential`). What is about no caller is asked for with a token of the gateway's own."""

    backend: str
    own: TokenKeeper
    search: ServerSearch
    fetcher: Fetcher
    proof: ClientProof
    scopes: tuple[str, ...] = ()
    is_of_callers: bool = True
    hint: str = "look whether the authorization server lets this client exchange tokens for this backend"
    _had: dict[str, dict[str, _Had]] = attrs.field(factory=dict, init=False)
    """By the caller, and by his standing: what was had for one token of his can do what another may not. Oldest first."""
    _asking: dict[str, dict[str, trio.Event]] = attrs.field(factory=dict, init=False)
    """For what a token is asked for now, by the same; who else comes with the same waits, too."""
    _limit: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(MOST_AT_ONCE), init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _began: trio.Event = attrs.field(factory=trio.Event, init=False)

    def at_hand(self, principal: Principal) -> bytes | None:
        """The caller's, while it lasts."""
        if not principal.key:
            return self.own.at_hand(principal)
        had = self._kept(principal.key, principal.standing)
        return None if had is None else had.lines

    async def have(self, principal: Principal) -> bytes | Why:
        """The same, exchanged where there is none."""
        if not principal.key:
            return await self.own.have(principal)
        await self._began.wait()
        key, standing = principal.key, principal.standing
        had = self._kept(key, standing)
        if had is None:
            if not principal.token:
                return _NO_TOKEN
            if (why := self._ask(principal, standing)) is not None:
                return why
            await self._asking[key][standing].wait()
            had = self._had.get(key, {}).get(standing)
        return _OVER if had is None else had.lines or had.why

    async def renewed(self, principal: Principal, shown: bytes, challenge: Challenge) -> bytes | Why:
        """Another one, unless what was refused is new."""
        if not principal.key:
            return await self.own.renewed(principal, shown, challenge)
        had = self._had.get(principal.key, {}).get(standing := principal.standing)
        if had is not None and had.lines == shown:
            if trio.current_time() - had.at < YOUNG_SECONDS:
                await trio.lowlevel.checkpoint()
                return _SAME
            del self._had[principal.key][standing]
        return await self.have(principal)

    def _kept(self, key: str, standing: str) -> _Had | None:
        had = self._had.get(key, {}).get(standing)
        return None if had is None or trio.current_time() >= had.until else had

    def _ask(self, principal: Principal, standing: str) -> Why | None:
        """Begin to, unless somebody has; why not, where there is no room."""
        his = self._asking.get(principal.key, {})
        if standing in his:
            return None
        if self._nursery is None:
            return _OVER
        if len(his) >= MOST_OF_ONE or sum(map(len, self._asking.values())) >= MOST_ASKED:
            return _FULL
        self._asking.setdefault(principal.key, his)[standing] = trio.Event()
        self._nursery.start_soon(self._exchange, principal, standing)
        return None

    async def run(self) -> None:
        """Be there for those who come, until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._began.set()
                await self.own.run()
        finally:
            self._nursery = None
            self._began.set()

    async def _exchange(self, principal: Principal, standing: str) -> None:
        got: Token | Why = _OVER
        try:
            with trio.move_on_after(ASK_SECONDS) as scope:
                async with self._limit:
                    got = await self._fetch(principal)
            if scope.cancelled_caught:
                got = Why("its token could not be had", f"no token within {ASK_SECONDS:g} seconds")
        except Exception:  # a bug there costs this token, and no other caller's
            log.exception("bug while a token was exchanged", backend=self.backend)
            got = Why("its token could not be had", "internal error while a token was exchanged; the log has the traceback")
        finally:
            self._keep(principal.key, standing, got)
            his = self._asking[principal.key]
            his.pop(standing).set()
            if not his:
                del self._asking[principal.key]

    async def _fetch(self, principal: Principal) -> Token | Why:
        server = await self.search.find(Challenge())
        if isinstance(server, Why):
            return server
        scope = {"scope": " ".join(self.scopes)} if self.scopes else {}
        subject = {
            "subject_token": principal.token.decode("ascii", "replace"),
            "subject_token_type": _ACCESS,
            "requested_token_type": _ACCESS,
        }
        got = await ask_for_token(self.fetcher, server, self.proof, {"grant_type": _EXCHANGE, **subject, **scope})
        if isinstance(got, Why):
            log.warning("a caller's token cannot be exchanged", backend=self.backend, caller=principal.name, reason=got.operator)
            return got
        return _OWN if got.value.encode() == principal.token or not is_token(got.value) else got

    def _keep(self, key: str, standing: str, got: Token | Why) -> None:
        now = trio.current_time()
        his = self._had.pop(key, {})
        his.pop(standing, None)
        if len(his) >= MOST_OF_ONE:
            del his[next(iter(his))]
        if len(self._had) >= MOST_KEPT:
            del self._had[next(iter(self._had))]
        self._had[key] = his
        if isinstance(got, Why):
            his[standing] = _Had(None, got, now, now + FAILED_SECONDS)
            return
        lasts = USUAL_SECONDS if got.seconds is None else got.seconds
        until = now + lasts - min(AHEAD_SECONDS, AHEAD_SHARE * lasts)
        his[standing] = _Had(f"authorization: Bearer {got.value}\r\n".encode("ascii"), Why(""), now, until)
