"""One client call from its request to its one reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs
import trio

from ..protocol import faults
from ..protocol.calls import SILENT, Call, Coming, Handler, Reply, Trail
from ..protocol.eras import OPENS
from ..protocol.fault import Fault
from ..protocol.messages import EMPTY, Malformed, Params, Raw, Request, decode_object, encode, encode_error, encode_result
from ..protocol.parts import LARGE, Parts, in_parts
from ..protocol.question import Question
from ..protocol.spelled import may_name
from ..telling.loggers import get_logger

__all__ = ["CACHE", "GOING_DOWN", "ROUTE", "Asker", "Exchange", "Outlet", "answer_at_once"]

log = get_logger("sluicegate.frontend")

ROUTE = "sluicegate/route"
"""The member of ``_meta`` with which a caller asks who answered, and under which it is told."""
CACHE = "sluicegate/cache"
"""The same for an answer that was kept: how old it is, and how old it may become, in seconds."""

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
    ended: bool = attrs.field(default=False, init=False)
    failed: bool = attrs.field(default=False, init=False)
    """It was answered with a fault."""
    _withdrawn: bool = attrs.field(default=False, init=False)
    _began: float | None = attrs.field(default=None, init=False)
    """When, if the caller may ask for it."""
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
        self._begin()
        try:
            message = self._encode(await handler(self.call))
        except* Exception as bugs:
            self.failed = True
            log.exception("a bug cost one call", method=self.call.method, target=self.call.target, exc_info=bugs)
            message = encode_error(self.id, faults.bug(self.call.target).encode())
        finally:
            self._end(message)

    def expect(self, coming: Coming) -> None:
        """The same for a call without a task: its reply comes by itself."""
        self._begin()
        self._coming = coming
        coming.then(self._land)

    def _land(self, reply: Reply) -> Reply:
        self._coming, message = None, None
        try:
            message = self._encode(reply)
        finally:
            self._end(message)
        return reply

    def _begin(self) -> None:
        if "_meta" in self.call.params:
            self._began = trio.current_time()

    def _end(self, message: bytes | Parts | None) -> None:
        self.ended = True
        self.call.back = SILENT  # opens a circle that would cost the garbage collector 4 µs a call, and a large gateway long pauses
        self.on_end()
        if self._withdrawn and not self.answers_cancelled:
            message = None
        elif message is None:
            message = encode_error(self.id, faults.cancelled(self.call.trail.cut or GOING_DOWN).encode())
        self.outlet.reply(message)

    def _encode(self, reply: Reply) -> bytes | Parts:
        trail = self.call.trail
        if reply.fault is not None:
            self.failed = True
            return encode_error(self.id, reply.fault.encode(attempts=len(trail.hops)))
        return _encode_result(self.id, _telling(self.call, self._began, reply.result))


def answer_at_once(id: bytes, call: Call, at_once: Callable[[Call], Reply | Coming | None]) -> bytes | Parts | Coming | None:
    """The answer to a call that takes no time, and so no exchange either, or one that will come without a task; None where there is neither.

    What is a bug in `Exchange.run` is one here.
    """
    began = trio.current_time() if "_meta" in call.params else None
    try:
        reply = at_once(call)
    except Exception:
        log.exception("a bug cost one call", method=call.method, target=call.target)
        return encode_error(id, faults.bug(call.target).encode())
    return _encode_result(id, _telling(call, began, reply.result)) if isinstance(reply, Reply) else reply


def _encode_result(id: bytes, result: Raw) -> bytes | Parts:
    return encode_result(id, result) if memoryview(result).nbytes < LARGE else in_parts(id, result)


def _telling(call: Call, began: float | None, result: Raw) -> Raw:
    """The result with what its caller asks to be told of the call; it can ask where there is a time when it began."""
    if began is None or not (wanted := _wanted(call.params)):
        return result
    told = {word: _TELLERS[word](call.trail, trio.current_time() - began) for word in wanted}
    return _with_meta(result, {word: value for word, value in told.items() if value is not None})


def _wanted(params: Params) -> tuple[str, ...]:
    """What the caller asks to be told."""
    raw = params.get("_meta")
    data = b"" if raw is None else bytes(raw)
    if not may_name(data, b'"sluicegate/'):
        return ()
    meta = decode_object(Raw(data))
    return () if isinstance(meta, Malformed) else tuple(word for word in _TELLERS if bytes(meta.get(word, b"")) == b"true")


def _route(trail: Trail, seconds: float) -> Mapping[str, object] | None:
    return {"backend": trail.answerer, "attempts": len(trail.hops), "ms": round(seconds * 1000, 3)}


def _cache(trail: Trail, seconds: float) -> Mapping[str, object] | None:
    del seconds
    kept = trail.kept
    return None if kept is None else {"age": round(kept.age, 3), "ttl": round(kept.ttl, 3)}


_TELLERS: Mapping[str, Callable[[Trail, float], Mapping[str, object] | None]] = {ROUTE: _route, CACHE: _cache}
"""By the word with which it is asked for, what is told of a call's way and of the time that it took; None is nothing."""


def _with_meta(result: Raw, told: Mapping[str, object]) -> Raw:
    """The result with this in its ``_meta``."""
    members = decode_object(result)
    if isinstance(members, Malformed) or not told:
        return result
    meta = decode_object(members.get("_meta", EMPTY))
    if isinstance(meta, Malformed):
        return result
    return Raw(encode(members | {"_meta": Raw(encode(meta | {word: Raw(encode(value)) for word, value in told.items()}))}))
