"""From the end of a request to its record: the one place that decides what of a call is written down."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import attrs
import msgspec
import trio

from ...protocol.caller import Caller
from ...protocol.calls import Call
from ...protocol.ended_requests import Ended, RefusedRequest
from ...protocol.fault import Fault
from ...protocol.messages import Malformed, Request
from ...protocol.reply import Reply
from ...telling.loggers import get_logger
from ..stamps import Stamps, stamp
from .ledger import AuditStatistics, Ledger
from .record import LONGEST, AuditRecord, record_of, record_of_refusal

__all__ = ["Audit", "Redact"]

log = get_logger("sluicegate.audit")

MOST_ARGUMENTS = 16 * 1024
"""Bytes of arguments that are written down; of larger ones a record has the size, and the hash where that is wanted."""

_encode = msgspec.json.Encoder().encode
Redact = Callable[[bytes], bytes]
"""Arguments without what is not to be written down."""


@attrs.define(eq=False, repr=False)
class Audit:
    """Makes records (implements `Auditor`)."""

    ledger: Ledger
    wall: Callable[[], float]
    hash_arguments: bool = False
    hash_results: bool = False
    redact: Redact | None = None
    """None where arguments are not written down."""
    _stamps: Stamps = attrs.field(factory=Stamps, init=False)

    @property
    def is_full(self) -> bool:
        """Whether nothing new should be taken in."""
        return self.ledger.is_full

    async def room(self) -> None:
        """Return when something may be."""
        await self.ledger.room()

    def statistics(self) -> AuditStatistics:
        """What has become of records until now."""
        return self.ledger.statistics()

    def ended(self, what: Ended) -> None:
        """A call has its answer."""
        try:
            self.ledger.put(_encode(self._record(what)))
        except Exception:  # a bug in here must cost nobody his answer, and the request is still told of
            log.exception("bug in the audit", method=what.call.method)
            self.tell("request", method=what.call.method[:LONGEST], status="bug")

    def _record(self, what: Ended) -> AuditRecord:
        record = record_of(what, trio.current_time(), self._stamps, self.wall())
        arguments = what.call.params.get("arguments")
        if arguments is not None:
            data = memoryview(arguments)
            record.bytes_in = data.nbytes
            if self.hash_arguments:
                record.arguments_sha256 = sha256(data).hexdigest()
            if self.redact is not None and data.nbytes <= MOST_ARGUMENTS:
                record.arguments = msgspec.Raw(self.redact(bytes(data)))
        if self.hash_results and what.reply.fault is None:
            record.result_sha256 = sha256(memoryview(what.reply.result)).hexdigest()
        return record

    def turned_away(self, caller: Caller, message: Request | Malformed | None, fault: Fault) -> None:
        """A message was answered without becoming a call."""
        call = Call("", "", {}, caller)
        if isinstance(message, Request):
            call = Call(message.method, message.method, message.params, caller)
        own = b"" if message is None else message.id
        self.ended(Ended(call, Reply.failed(fault), own, trio.current_time(), 0))

    def refused(self, what: RefusedRequest) -> None:
        """An HTTP request was refused."""
        self.ledger.put(_encode(record_of_refusal(what, self._stamps, self.wall())))

    def tell(self, event: str, **members: object) -> None:
        """Something that is no request: a beginning, an end, an act of the operator's."""
        self.ledger.put(_encode({"event": event, "time": stamp(self.wall()), **members}))
