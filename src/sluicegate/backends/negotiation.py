"""Which protocol revision to offer to a backend, and which one after it has refused that (P-2).

A server should answer with a revision of its own if it does not know ours. Old ones answer with an error instead, and some of these end then;
so what was learned is kept from one start to the next.
"""

from __future__ import annotations

import re

import attrs
import msgspec

from ..protocol import eras
from ..protocol.errors import INVALID_PARAMS, UNSUPPORTED_VERSION
from ..protocol.faults import Cause, Fault
from ..protocol.why import Why

__all__ = ["Negotiation", "refusal"]

_ABOUT_VERSION = re.compile(r"protocol|version", re.IGNORECASE)
_IN_A_PAGE = re.compile(r"protocol.?version", re.IGNORECASE)
MOST_SHOWN = 200
"""Characters of what a backend says it supports."""


class _Data(msgspec.Struct):
    supported: list[str]


class _Error(msgspec.Struct):
    data: _Data


@attrs.define(eq=False, repr=False)
class Negotiation:
    """What one backend is offered."""

    offered: str = eras.NEWEST
    """In the next ``initialize``."""

    def step(self, fault: Fault) -> bool:
        """Offer another revision after this refusal: the newest common one if it has a list, else the next older. False if there is none."""
        supported = _supported_in(fault)
        if supported is not None:
            common = [version for version in eras.LEGACY if version in supported and version != self.offered]
        elif _is_about_version(fault):
            common = list(eras.LEGACY[: eras.LEGACY.index(self.offered)])
        else:
            return False
        self.offered = common[-1] if common else eras.NEWEST  # who refuses all gets the newest the next time
        return bool(common)


def refusal(fault: Fault) -> Why:
    """Why no conversation came about."""
    supported = _supported_in(fault)
    if supported is None or set(supported) & set(eras.LEGACY):
        return fault.why
    what = "it speaks no protocol revision that this gateway speaks"
    theirs = ", ".join(map(repr, supported))[:MOST_SHOWN]
    return Why(what, f"{what}: it has {theirs}, and the gateway {', '.join(eras.LEGACY)}")


def _supported_in(fault: Fault) -> list[str] | None:
    try:
        return None if fault.raw is None else msgspec.json.decode(fault.raw, type=_Error).data.supported
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_about_version(fault: Fault) -> bool:
    if fault.cause is Cause.BACKEND:
        return fault.code in {INVALID_PARAMS, UNSUPPORTED_VERSION} or _ABOUT_VERSION.search(fault.message) is not None
    return fault.lasting and _IN_A_PAGE.search(fault.told) is not None
