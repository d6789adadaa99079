"""One client call from its request to its one reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import SILENT, Call, Coming, Handler, Reply
from ..protocol.ended_requests import Auditor, Ended
from ..protocol.eras import OPENS
from ..protocol.fault import Fault
from ..protocol.messages import Raw, Request, encode_error, encode_result
from ..protocol.parts import LARGE, Parts, in_parts
from ..protocol.question import Question
from ..telling.loggers import get_logger
from .told_in_meta import with_what_is_asked

__all__ = ["GOING_DOWN", "Asker", "Exchange", "Outlet", "answer_at_once"]

log = get_logger("sluicegate.frontend")

GOING_DOWN = "the gateway is going down"
"""Why a call ends that nobody withdrew."""


class Outlet(Protocol):
    """The way on which a client's messages came, and where those about its calls go: a POST's answer, or the one stream of a stdio client."""

    def begin(self, request: Request) -> None:
        """Start what the client asks."""
        ...

    def note(self, message: bytes) -> None:
        """Progress or a log line; sync and bounded."""
        ...

    def ask(self, message: bytes) -> Callable[[], None] | None:
        """A question to the client. What is to be called when it is over, or None if it cannot be sent."""
        ...

    def reply(self, message: bytes | Parts | None) -> None:
        """The last message about one call; None if it is to get no answer."""
        ...


class Asker(Protocol):
    """A client that can be asked."""

    def ask(self, question: Question, outlet: Outlet) -> Fault | None:
        """Send a question on that way, or say why not."""
        ...


@attrs.define(eq=False, repr=False)
class Exchange:
    """The way home of one call (implements `Back`, and `Running`). After the reply nothing goes out any more (P-120)."""

    id: bytes
    """The id exactly as the client wrote it."""
    call: Call
    client: Asker
    outlet: Outlet
    on_end: Callable[[], None]
    answers_cancelled: bool
    """Whether a call that its caller cancelled gets an answer: an HTTP request needs one, stdio must not have one."""
    audit: Auditor | None = None
    """Gets a record of each request that it answers."""
    ended: bool = attrs.field(default=False, init=False)
    failed: bool = attrs.field(default=False, init=False)
    """It was answered with a fault."""
    _withdrawn: bool = attrs.field(default=False, init=False)
    _began: float | None = attrs.field(default=None, init=False)
    """When, if the caller may ask for it, or somebody writes it down."""
    _is_asking: bool = attrs.field(default=False, init=False)
    """Its last request was answered with questions, and no other has come."""
    _coming: Coming | None = attrs.field(default=None, init=False)
    """The reply, while it is on its way and the call has no task."""

    def note(self, message: bytes) -> None:
        """Pass on progress or a log line."""
        if not self.ended:
            self.outlet.note(message)

    def ask(self, question: Question) -> Fault | None:
        """Ask the client, on the way of this call (P-62)."""
        fault = faults.cannot_ask() if self.ended else self.client.ask(question, self.outlet)
        if fault is None:
            self.call.trail.asked = True
        return fault

    def hold(self, question: Question) -> None:
        """A person may have been asked for the sake of this call."""
        del question
        self.call.trail.asked = True

    def cancel(self) -> None:
        """The caller does not want it any more (P-64); ``initialize`` cannot be cancelled (P-12)."""
        if not self.ended and self.call.method not in OPENS:
            self._withdrawn = True
            self.abort("the caller cancelled it")

    def abort(self, why: str) -> None:
        """End the call for a reason of our own."""
        self.call.trail.cut = why
        if self._coming is None:
            self.call.scope.cancel(reason=why)
        else:
            self._coming.leave()

    def expire(self, deadline: float, why: str) -> None:
        """End the call at that time, unless its own deadline is earlier."""
        self.call.trail.cut = why
        end = min(deadline, self.call.trail.ends_at)
        if self._coming is None:
            self.call.scope.deadline = end
        else:
            self._coming.end_by(end)

    def go_on(self) -> None:
        """Take an `expire` back."""
        self.expire(float("inf"), "")

    async def run(self, handler: Handler) -> None:
        """Run the call to its end, whatever that is; a task of its own. The one place where a bug becomes a reply."""
        message: bytes | Parts | None = None
        reply: Reply | None = None
        self._begin()
        try:
            reply = await handler(self.call)
            message = self._encode(reply)
        except* Exception as bugs:  # noqa: BLE001  it is told
            self.failed = True
            reply, message = _of_a_bug(self.id, self.call, bugs)
        finally:
            self._end(message, reply)

    def expect(self, coming: Coming) -> None:
        """The same for a call without a task: its reply comes by itself."""
        self._begin()
        self._coming = coming
        coming.then(self._land)

    def _land(self, reply: Reply) -> Reply:
        self._coming, message = None, None
        try:
            message = self._encode(reply)
        except Exception as bug:  # noqa: BLE001  as in `run`
            self.failed = True
            reply, message = _of_a_bug(self.id, self.call, bug)
        finally:
            self._end(message, reply)
        return reply

    def _begin(self) -> None:
        if self.audit is not None or "_meta" in self.call.params:
            self._began = trio.current_time()

    def asks(self, message: bytes) -> None:
        """Its request is answered with questions, and the call goes on."""
        self._is_asking = True
        if self.audit is not None:
            self._tell(self.audit, Reply(), len(message), asked=True)

    def is_asked_again(self, id: bytes) -> None:
        """Another request goes on with it."""
        self.id, self._is_asking = id, False
        if self.audit is not None:
            self._began = trio.current_time()

    def _tell(self, audit: Auditor, reply: Reply, size: int, *, asked: bool = False) -> None:
        event = "abandoned" if self._is_asking and not asked else "request"
        audit.ended(Ended(self.call, reply, self.id, self._began or 0.0, size, event, asked))

    def _end(self, message: bytes | Parts | None, reply: Reply | None) -> None:
        self.ended = True
        self.call.back = SILENT  # opens a circle that would cost the garbage collector 4 µs a call, and a large gateway long pauses
        self.on_end()
        if reply is None:
            reply = Reply.failed(faults.cancelled(self.call.trail.cut or GOING_DOWN))
        if self._withdrawn and not self.answers_cancelled:
            message = None
        elif message is None and reply.fault is not None:
            message = encode_error(self.id, reply.fault.encode())
        if self.audit is not None:
            self._tell(self.audit, reply, 0 if message is None else len(message))
        self.outlet.reply(message)

    def _encode(self, reply: Reply) -> bytes | Parts:
        trail = self.call.trail
        if reply.fault is not None:
            self.failed = True
            return encode_error(self.id, reply.fault.encode(attempts=len(trail.hops)))
        return _encode_result(self.id, with_what_is_asked(self.call, self._began, reply.result))


def answer_at_once(
    id: bytes, call: Call, at_once: Callable[[Call], Reply | Coming | None], audit: Auditor | None = None
) -> bytes | Parts | Coming | None:
    """The answer to a call that takes no time, and so no exchange either, or one that will come without a task; None where there is neither.

    What is a bug in `Exchange.run` is one here.
    """
    began = trio.current_time() if audit is not None or "_meta" in call.params else None
    message: bytes | Parts
    try:
        reply = at_once(call)
        if not isinstance(reply, Reply):
            return reply
        message = _encode_result(id, with_what_is_asked(call, began, reply.result))
    except Exception as bug:  # noqa: BLE001  as in `Exchange.run`
        reply, message = _of_a_bug(id, call, bug)
    if audit is not None:
        audit.ended(Ended(call, reply, id, began or 0.0, len(message)))
    return message


def _of_a_bug(id: bytes, call: Call, bug: Exception) -> tuple[Reply, bytes]:
    """What a call comes to that a bug has cost, and the message that says so."""
    log.error("a bug cost one call", method=call.method, target=call.target, exc_info=bug)
    fault = faults.bug(call.target)
    return Reply.failed(fault), encode_error(id, fault.encode())


def _encode_result(id: bytes, result: Raw) -> bytes | Parts:
    return encode_result(id, result) if memoryview(result).nbytes < LARGE else in_parts(id, result)
