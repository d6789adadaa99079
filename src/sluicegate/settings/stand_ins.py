"""What a backend may be for another one: keys that stand among the backend's own.

The classes have no slots, because a backend is made of all three.
"""

from __future__ import annotations

import attrs

from .ranges import Range, within

__all__ = ["CanarySettings", "MirrorSettings", "StandInSettings"]

_PLACE = Range(0, words="must be >= 0", instead="the lowest number is asked first")
_CANARY = Range(1, 100, words="must be 1-100", instead="write the canary's share of the calls in percent")
_COPIES = Range(0, 100, words="must be 0-100", instead="write the share in percent; 0 is off")


@attrs.frozen(kw_only=True, slots=False)
class StandInSettings:
    """A backend that answers in the place of another one."""

    failover_for: str | None = attrs.field(default=None, metadata={"example": "time"})
    """The backend under whose names it answers when that one cannot."""
    priority: int = attrs.field(default=0, metadata=within(_PLACE))
    """Among the stand-ins of one backend the lowest is asked first."""


@attrs.frozen(kw_only=True, slots=False)
class CanarySettings:
    """A backend that gets a share of another's calls."""

    canary_of: str | None = attrs.field(default=None, metadata={"example": "time"})
    """The backend of whose calls it gets a share; where it fails, that one answers."""
    weight: int = attrs.field(default=100, metadata=within(_CANARY))
    """A canary's share of its primary's calls, in percent."""
    canary_sticky: bool = False
    """Whether a caller stays where it was led first; then the share is one of callers, not of calls."""


@attrs.frozen(kw_only=True, slots=False)
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
