"""A line with large requests, which takes room until all of them have their answers, as over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..protocol.fault import Fault
from ..protocol.faults import overloaded
from ..protocol.messages import Request
from ..protocol.parts import Parts
from .batched import Starting
from .exchange import Outlet
from .session_table import LARGE
from .whose import Whose

__all__ = ["NO_ROOM", "LargeLine", "no_room", "way_of"]

NO_ROOM = "too many large requests have no answer yet; send this one again when some have"


def no_room(request: Request) -> Fault:
    """Why a large request is refused."""
    return overloaded(request.method, NO_ROOM)


def way_of(front: Starting, whose: Whose, size: int) -> Starting:
    """The way of what a line of so many bytes asks."""
    return front if size < LARGE else LargeLine(front, whose, size)


@attrs.define(eq=False, repr=False)
class LargeLine:
    """The way of what such a line asks, one or a batch (implements `Outlet`, and `Starting`)."""

    front: Starting
    whose: Whose
    """For whom it counts."""
    size: int
    """Bytes."""
    _is_held: bool = attrs.field(default=False, init=False)

    def begin(self, request: Request) -> None:
        """Start the one call that it is."""
        self.start(request, self)

    def start(self, request: Request, outlet: Outlet) -> None:
        """Start one call of it, if there is room for the line."""
        self._is_held = self._is_held or self.whose.may_hold(self.size)
        if self._is_held:
            self.front.start(request, outlet)
        else:
            self.front.refuse(request, no_room(request), outlet)

    def refuse(self, request: Request, fault: Fault, outlet: Outlet) -> None:
        """What is refused is, whatever it came with."""
        self.front.refuse(request, fault, outlet)

    def note(self, message: bytes) -> None:
        """Notes go by it."""
        self.front.note(message)

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """So do questions."""
        return self.front.ask(message)

    def reply(self, message: bytes | Parts | None) -> None:
        """It has its answer."""
        if self._is_held:
            self._is_held = False
            self.whose.let_go(self.size)
        self.front.reply(message)
