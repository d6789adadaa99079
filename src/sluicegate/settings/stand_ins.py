"""What a backend may be for another one: keys that stand among the backend's own.

The classes have no slots, because a backend is made of all three.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import attrs

from .ranges import ANY_NUMBER, POSITIVE, WHOLE, Range, within

__all__ = ["FAILOVER_AFTER", "CanaryGuardSettings", "CanarySettings", "MirrorSettings", "StandInSettings", "Trigger"]

Trigger: TypeAlias = Literal["unavailable", "lost", "timeout", "overload", "error", "tool_error"]
FAILOVER_AFTER: tuple[Trigger, ...] = ("unavailable", "lost", "timeout", "overload", "error")
"""All but a tool that reports an error, which has answered."""

_PLACE = Range(0, words="must be >= 0", instead="the lowest number is asked first")
_CANARY = Range(1, 100, words="must be 1-100", instead="write the canary's share of the calls in percent")
_FACTOR = Range(1, words="must be >= 1", instead="write how many times as bad a canary may do as its primary, such as 2")
_COPIES = Range(0, 100, words="must be 0-100", instead="write the share in percent; 0 is off")


@attrs.frozen(kw_only=True, slots=False, repr=False)
class StandInSettings:
    """A backend that answers in the place of another one."""

    failover_for: str | None = attrs.field(default=None, metadata={"example": "time"})
    """The backend under whose names it answers when that one cannot."""
    priority: int = attrs.field(default=0, metadata=within(_PLACE))
    """Among the stand-ins of one backend the lowest is asked first."""
    failover_after: tuple[Trigger, ...] = FAILOVER_AFTER
    """After what the stand-ins of this one are asked: "unavailable", it is away or not to be asked; "lost" on the way; "timeout"; "overload"; "error",
    it says so itself; "tool_error", a tool does."""
    failover_stays_seconds: float = attrs.field(default=0.0, metadata=within(ANY_NUMBER))
    """So long the stand-in that has answered is asked first, and this one after it; 0 is for that call alone."""


@attrs.frozen(kw_only=True, slots=False, repr=False)
class CanarySettings:
    """A backend that gets a share of another's calls."""

    canary_of: str | None = attrs.field(default=None, metadata={"example": "time"})
    """The backend of whose calls it gets a share; where it fails, that one answers."""
    weight: int = attrs.field(default=100, metadata=within(_CANARY))
    """A canary's share of its primary's calls, in percent."""
    canary_sticky: bool = False
    """Whether a caller stays where it was led first; then the share is one of callers, not of calls."""


@attrs.frozen(repr=False)
class CanaryGuardSettings:
    """Takes a canary back that does worse than its primary: it gets no calls until somebody puts it back (LIM-20)."""

    table: ClassVar[str] = "canary_guard"
    error_factor: float = attrs.field(default=2.0, validator=_FACTOR)
    """It may fail so many times as often as its primary; what chance explains does not count."""
    latency_factor: float = attrs.field(default=2.0, validator=_FACTOR)
    """The time in which 95 % of its successful calls come to an end may be so many times its primary's."""
    window_seconds: float = attrs.field(default=300.0, validator=POSITIVE)
    """The calls of the last so many seconds are looked at, of both."""
    minimum_calls: int = attrs.field(default=50, validator=WHOLE)
    """With fewer of either in the window nothing is said."""
    minimum_failures: int = attrs.field(default=5, validator=WHOLE)
    """With fewer it is not taken back for its failures."""
    count_tool_errors: bool = True
    """Whether a tool that reports an error has failed."""


@attrs.frozen(kw_only=True, slots=False, repr=False)
class MirrorSettings:
    """A backend that gets copies of another's calls."""

    mirror_of: str | None = attrs.field(default=None, metadata={"example": "time"})
    """The backend of whose calls it gets copies; no client sees its answers."""
    mirror_percent: int = attrs.field(default=100, metadata=within(_COPIES))
    """Of the calls; 0 is off."""
    mirror_hidden: bool = False
    """Whether clients do not see it under its own name."""
    mirror_read_only: bool = False
    """Whether it gets copies only of what changes nothing: tools with readOnlyHint = true, resources and prompts."""
    mirror_compare: bool = False
    """Whether its answers are compared with the other's, and the differences counted; sluicegate show mirror tells the last of them."""
    mirror_ignore: tuple[str, ...] = ()
    """Places that do not count then, as JSON Pointers; * is any one member or element: ["/_meta", "/content/*/text"]."""
