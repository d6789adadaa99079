"""Where requests come in: what is told of those that go no further, and who waits outside while nothing can be written down."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..protocol.calls import Call, Caller, Reply
from ..protocol.ended_requests import Auditor, Ended, RefusedRequest
from ..protocol.errors import INVALID_REQUEST
from ..protocol.fault import Fault
from ..protocol.faults import client_mistake
from ..protocol.messages import Malformed, Request, encode_error
from .exchange import Outlet
from .request import HttpRequest

__all__ = ["Door"]


@attrs.define(eq=False, repr=False)
class Door:
    """One for all frontends."""

    count: Callable[[int, str], None] = lambda _status, _reason: None
    """Told of every HTTP request that was refused before it became a call."""
    audit: Auditor | None = None
    """Gets a record of each request; None where none are written."""

    @property
    def is_shut(self) -> bool:
        """Whether nobody may come in now."""
        return self.audit is not None and self.audit.is_full

    async def opens(self) -> None:
        """Return when somebody may."""
        while self.audit is not None and self.audit.is_full:
            await self.audit.room()

    def refuse(self, status: int, reason: str, http: HttpRequest | None = None, request: Request | None = None) -> None:
        """Tell of an HTTP request that is refused; its answer is still to be sent.

        Args:
            status: of the answer.
            reason: why, with what its client wrote in single quotes.
            http: the request, if it could be read.
            request: what it carried, where that is known.
        """
        self.count(status, reason)
        if self.audit is not None:
            what = RefusedRequest(status, reason, request=request)
            if http is not None:
                what = RefusedRequest(status, reason, f"{http.method} {http.path}", http.principal, http.network, request)
            self.audit.refused(what)

    def turn_away(self, request: Request, fault: Fault, outlet: Outlet, caller: Caller) -> None:
        """Answer a request that does not become a call."""
        if self.audit is not None:
            self.audit.turned_away(caller, request, fault)
        outlet.reply(encode_error(request.id, fault.encode()))

    def tell_of_garbled(self, message: Malformed | None, caller: Caller) -> None:
        """Tell of one that could not be read, and is answered so; None where it was too long to be looked at."""
        if self.audit is not None:
            why = "it is too long" if message is None else message.message
            code = INVALID_REQUEST if message is None else message.code
            self.audit.turned_away(caller, message, client_mistake(why, code=code))

    def tell_of_stream(self, request: Request, caller: Caller, began: float, fault: Fault | None) -> None:
        """Tell of the end of a stream of news, and why it ended if something was wrong."""
        if self.audit is not None:
            reply = Reply() if fault is None else Reply.failed(fault)
            self.audit.ended(Ended(Call(request.method, request.method, request.params, caller), reply, request.id, began, 0))
