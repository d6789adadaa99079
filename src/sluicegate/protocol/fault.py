"""What went wrong with a call, as a value, and what may be done about it.

A fault says whether the same call may be sent again, whether another backend may be asked, and whether it speaks against the backend. A
backend's own JSON-RPC error is kept whole and leaves as it came; everything else has a ``data`` object that says in machine-readable form
what happened (P-26), with a code whose page ``sluicegate explain`` prints.
"""

from __future__ import annotations

import attrs

from .cause import Cause
from .fault_codes import BY_REASON
from .meanings import Meaning, meaning_of
from .messages import Params, Raw, encode
from .why import Why

__all__ = ["Cause", "Fault"]


_ELSEWHERE = frozenset({Cause.UNAVAILABLE, Cause.TRANSPORT, Cause.TIMEOUT, Cause.OVERLOAD, Cause.BARRED})
_PASSING = frozenset({Cause.UNAVAILABLE, Cause.TRANSPORT, Cause.TIMEOUT, Cause.OVERLOAD})
"""What may be over at the next attempt. One that is barred stays so for longer than a retry waits."""
_COUNTS = frozenset({Cause.TRANSPORT, Cause.TIMEOUT})
_IN_DOUBT = frozenset({Cause.TRANSPORT, Cause.TIMEOUT})


@attrs.frozen
class Fault:
    """Why a call has no result."""

    cause: Cause
    code: int
    message: str
    """For whoever makes the call: no word of it comes from elsewhere, unless it is the backend's own error in answer to this very call."""
    reason: str = ""
    """One stable word for programs, sent as ``data.reason``."""
    backend: str = ""
    hint: str = ""
    """What to do about it."""
    started: bool = True
    """Whether the backend may have begun to work on it; only what certainly did not start may always be sent again."""
    details: Params = attrs.field(factory=dict)
    raw: Raw | None = None
    """The backend's whole error object, sent on unchanged."""
    retry_after: float | None = None
    """Seconds after which it makes sense to try again, where somebody has said so; sent as ``data.retryAfterMs``."""
    lasting: bool = False
    """The same call would fail in the same way again; another backend may take it."""
    is_about_call: bool = False
    """It says something about the call and nothing about the backend, although that is where it failed."""
    for_operator: str = ""
    """The message with what callers must not read; empty where there is no more to say. It is never sent."""

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether a stand-in may be asked (design: failover triggers); -32601 is the caller's to judge."""
        if self.cause is Cause.BACKEND:
            return meaning_of(self.code) is not Meaning.FINAL
        return self.cause in _ELSEWHERE

    @property
    def counts_against_backend(self) -> bool:
        """Whether a breaker or an outlier detector should count it (DEC-5)."""
        failed = self._has_failed if self.cause is Cause.BACKEND else self.cause in _COUNTS
        return failed and not self.is_about_call

    def may_be_repeated(self, *, safe: bool) -> bool:
        """Whether the same call may be sent to the same backend again (RES-1, RES-4).

        Args:
            safe: running it twice does no harm. Else it may be sent again only if it certainly did not start.
        """
        passing = self._has_failed if self.cause is Cause.BACKEND else self.cause in _PASSING
        return passing and not self.lasting and (safe or not self.started)

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody knows if the backend has done it: "executed, then closed" looks like "idle, closed"."""
        return self.started and self.cause in _IN_DOUBT

    @property
    def _has_failed(self) -> bool:
        """Whether that is what the backend's own error says of it."""
        return meaning_of(self.code) is Meaning.FAILED

    def encode(self, *, attempts: int = 0) -> bytes:
        """The JSON-RPC error object that a client gets."""
        if self.raw is not None:
            return bytes(self.raw)
        known = BY_REASON.get(self.reason)
        data: dict[str, object] = {"reason": self.reason or self.cause.value}
        if known is not None:
            data["code"] = known.number
        if self.backend:
            data["backend"] = self.backend
        if attempts > 1:
            data["attempts"] = attempts
        if self.retry_after is not None:
            data["retryAfterMs"] = max(1, round(self.retry_after * 1000))
        if self.is_in_doubt:
            data["outcome"] = "unknown"
        hint = self.hint or (known.hint if known is not None else "")
        if hint:
            data["hint"] = hint
        return encode({"code": self.code, "message": self.message, "data": data | self.details})

    @property
    def hides_something(self) -> bool:
        """Whether callers are told less than there is to say."""
        return bool(self.for_operator) and self.for_operator != self.message

    @property
    def told(self) -> str:
        """The message for the operator, who may know everything."""
        return self.for_operator or self.message

    @property
    def why(self) -> Why:
        """What others than this call's caller may be told of it, for whom a backend's error is not meant, and what the operator may."""
        return Why(self.message if self.raw is None else f"it answered with error {self.code}", self.told)
