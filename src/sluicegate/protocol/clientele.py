"""Who stands behind a session that a gateway has with a backend: many clients, or one for its whole life."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import trio

from .back import SILENT, Back
from .eras import NEWEST
from .extensions import crossing
from .messages import EMPTY, Params, Raw, encode
from .principal import NOBODY, Principal

__all__ = ["MANY", "Clientele"]

_CARRIED = ("elicitation", "sampling", "roots")
"""Capabilities of a client that a gateway can stand for; of extensions those that cross."""


@attrs.define(eq=False, repr=False)
class Clientele:
    """The one client of a session, and what it can do: known once it has sent ``initialize``, or the program has said it (P-70)."""

    is_one: bool = True
    back: Back = SILENT
    """The way to it for what is about none of its calls, where nobody else could be meant."""
    principal: Principal = NOBODY
    """On whose behalf a session with it alone is opened."""
    known_at: float | None = attrs.field(default=None, init=False)
    """On Trio's clock."""
    declared: Params = attrs.field(factory=dict, init=False)
    """What backends are told that it can do."""
    _known: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def is_known(self) -> bool:
        """Whether it is clear what backends are to be told."""
        return not self.is_one or self.known_at is not None

    @classmethod
    def of(cls, capabilities: Mapping[str, object], back: Back, principal: Principal = NOBODY) -> Clientele:
        """A client that can do this, and is reached so."""
        clientele = cls(back=back, principal=principal)
        clientele.declare(capabilities)
        return clientele

    def as_known(self) -> Clientele:
        """What a backend can be told of it now. Whoever is waited for cannot wait for a client in turn, and hears that nobody is to be asked."""
        return self if self.is_known else MANY

    def declare(self, capabilities: Mapping[str, object]) -> None:
        """This is what the client can do; backends that are opened from now on are told, as far as it can be carried."""
        declared: Params = {name: Raw(encode(value)) for name, value in capabilities.items()}
        asked = {name: _carried(name, declared[name]) for name in _CARRIED if name in declared}
        self.declared = asked | crossing(declared, NEWEST)
        if self.known_at is None:
            self.known_at = trio.current_time()
        self._known.set()

    async def wait_known(self) -> None:
        """Wait until it is."""
        if self.is_known:
            await trio.lowlevel.checkpoint()
        else:
            await self._known.wait()


def _carried(name: str, raw: Raw) -> Raw:
    """That roots have changed is not passed on, so nobody may wait for it."""
    return EMPTY if name == "roots" else raw


MANY = Clientele(is_one=False)
"""Nobody in particular, for whom nothing can be declared."""
