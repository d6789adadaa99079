"""What parts that answer clients tell of each request at its end."""

from __future__ import annotations

from typing import Protocol

import msgspec

from .caller import Caller
from .calls import Call
from .fault import Fault
from .messages import Malformed, Request
from .principal import NOBODY, Principal
from .reply import Reply

__all__ = ["Auditor", "Ended", "RefusedRequest"]


class Ended(msgspec.Struct, frozen=True, eq=False):
    """A request that became a call, and has its answer."""

    call: Call
    reply: Reply
    id: bytes
    """As its client wrote it; empty for the program's own."""
    began: float
    """On Trio's clock."""
    size: int
    """Bytes of the answer; 0 where it gets none."""
    event: str = "request"
    """Else ``abandoned``: the end of a call whose last request was answered with questions, for which its client did not come back."""
    asked: bool = False
    """It was answered with questions, and its call goes on."""


class RefusedRequest(msgspec.Struct, frozen=True, eq=False):
    """An HTTP request that was refused, before anything was known of what is in it, or because of that."""

    status: int
    reason: str
    http: str = ""
    """Method and path; empty where not even that could be read."""
    principal: Principal = NOBODY
    network: str = ""
    """The address of its client, as that is counted."""
    request: Request | None = None
    """What it carried, where that is known."""


class Auditor(Protocol):
    """Writes a record of each request. None of this blocks, or fails."""

    @property
    def is_full(self) -> bool:
        """Whether nothing new should be taken in, because there would be no room for its record."""
        ...

    async def room(self) -> None:
        """Return when there is."""
        ...

    def ended(self, what: Ended) -> None:
        """A call has its answer."""
        ...

    def turned_away(self, caller: Caller, message: Request | Malformed | None, fault: Fault) -> None:
        """A message was answered without becoming a call; None is one that could not be read."""
        ...

    def refused(self, what: RefusedRequest) -> None:
        """An HTTP request was refused."""
        ...
