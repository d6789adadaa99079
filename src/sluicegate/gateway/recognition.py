"""What tells callers apart, as the parts around it know it, whichever kind it is of; nothing is loaded here that only some kinds need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from ..frontends.admission import Admission
from ..identity.challenges import Challenges
from ..identity.identify import Identity

__all__ = ["Recognition", "Task"]

Task = Callable[[], Awaitable[None]]


@attrs.frozen(eq=False, repr=False)
class Recognition:
    """Who may come in: what tells callers apart, and what belongs to it."""

    admission: Admission
    """Says by which names a request may ask, and from which pages."""
    identity: Identity | None
    tasks: tuple[Task, ...] = ()
    """Run beside the calls, each until it is cancelled."""
    challenges: Challenges | None = None
    """How callers are sent to an issuer; None where there is none."""
