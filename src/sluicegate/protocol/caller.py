"""Who calls, and what its client can do."""

from __future__ import annotations

from functools import cached_property

import attrs

from .abilities import NONE, abilities_of
from .back import Household
from .eras import MODERN
from .extensions import TASKS, declared_by
from .members import Params
from .principal import NOBODY, Principal

__all__ = ["OURSELVES", "Caller"]


@attrs.frozen(eq=False, repr=False)
class Caller:
    """Who calls: one per legacy session, or per modern request."""

    era: str
    capabilities: Params = attrs.field(factory=dict, repr=False)
    """What its client has declared, as far as the protocol knows it, each as it came."""
    principal: Principal = NOBODY
    """Who has shown with this request that he may use the session."""
    session: str = attrs.field(default="", repr=False)
    """Who knows it may act in the session, so nothing may show it whole."""
    home: Household | None = attrs.field(default=None, repr=False)
    """Where what is kept for this client alone lives; None where nothing can be."""
    log_level: str | None = None
    """From which level on a request that stands for itself wants to hear of the log; None is not at all."""

    @cached_property
    def abilities(self) -> str:
        """What its client can be asked in a session of its own: whoever can be asked the same is offered the same. Nothing where all share one."""
        return NONE if self.home is None else abilities_of(self.capabilities)

    @cached_property
    def takes_tasks(self) -> bool:
        """Whether a backend may answer it with a task (P-131); in revisions with a handshake each call says so."""
        return self.era in MODERN and TASKS in declared_by(self.capabilities, "extensions")

    def abroad(self) -> Caller:
        """The same, but nothing is used that is kept for it alone."""
        return self if self.home is None else Caller(self.era, self.capabilities, self.principal, self.session, log_level=self.log_level)


OURSELVES = Caller("")
"""The gateway itself: handshakes, lists, probes, calls from the embedding program."""
