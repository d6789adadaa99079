"""Our side of the conversation with a client: what comes from it, and what it is asked (P-62, P-70)."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial

from ..protocol import faults
from ..protocol.calls import Caller, Reply
from ..protocol.duplex import CANCELLED, Duplex, Requests, receive
from ..protocol.errors import INVALID_REQUEST
from ..protocol.fault import Fault
from ..protocol.messages import (
    EMPTY,
    Malformed,
    Message,
    Notification,
    Raw,
    Request,
    Response,
    encode,
    encode_error,
    encode_notification,
    encode_request,
)
from ..protocol.question import Question, undeclared
from ..protocol.tokens import with_own_token
from ..protocol.why import Why
from ..telling.loggers import get_logger
from .exchange import Exchange, Outlet

__all__ = ["ClientSide"]

log = get_logger("sluicegate.frontend")

MOST_QUESTIONS = 32
"""That one client may have open; each may be as large as a message of a backend."""


class ClientSide:
    """What every session does with what comes (implements `Side`, and `Asker`). Nothing here may block."""

    __slots__ = ()

    caller: Caller
    duplex: Duplex[Question, Exchange]
    ended: bool

    @abstractmethod
    def settle(self) -> None:
        """The client goes on after the handshake."""

    # -- what the client says

    def receive(self, message: Message, outlet: Outlet) -> None:
        """Take a message from the client, which came on this way; sync. What nobody needs is dropped."""
        receive(message, b"", self, self.duplex.ours, outlet)

    def requested(self, request: Request, asked: Requests[Question], way: Outlet) -> None:
        """It asks."""
        del asked
        way.begin(request)

    def cancelled(self, key: int | str | None) -> None:
        """It takes back what it asked."""
        self.duplex.theirs.cancel(key)

    def answered(self, request: Question, response: Response) -> None:
        """It answers what it was asked."""
        request.settle(_answer_of(response))

    def progressed(self, request: Question, note: Notification) -> None:
        """It tells how far it is with what it was asked."""
        if request.token is not None:
            request.tell(Notification(note.method, note.params | {"progressToken": request.token}))

    def unclaimed(self, key: int | str | None) -> None:
        """Answers to what was withdrawn meanwhile are everyday."""
        log.debug("client answered what it was not asked, or is not asked any more", id=key)

    def notified(self, note: Notification, asked: Requests[Question], way: Outlet) -> None:
        """It says something else."""
        del asked, way
        if note.method == "notifications/initialized":
            self.settle()

    def garbled(self, message: Malformed, data: bytes | Raw, asked: Requests[Question], way: Outlet) -> None:
        """Say what is wrong with it."""
        del data, asked
        way.reply(encode_error(message.id, encode({"code": message.code, "message": message.message})))

    # -- what the client is asked

    def ask(self, question: Question, outlet: Outlet) -> Fault | None:
        """Pass a backend's question on under an id of our own, or say why not; when it is over without an answer, the client hears of it."""
        fault = undeclared(question.method, question.params, self.caller.capabilities)
        if fault is not None:
            return fault
        ours = self.duplex.ours
        if len(ours.asked) >= MOST_QUESTIONS:
            return faults.overloaded(question.method, f"its client has {len(ours.asked)} open questions")
        number = ours.count()
        params, question.token = with_own_token(question.params, number)
        forget = None if self.ended else outlet.ask(encode_request(number, question.method, params))
        if forget is None:
            return faults.cannot_ask("its client cannot be reached on the way on which the call came")
        ours.asked[number] = question
        question.when_over(forget)
        question.when_over(partial(self._over, number, question, outlet))
        return None

    def _over(self, number: int, question: Question, outlet: Outlet) -> None:
        del self.duplex.ours.asked[number]
        if question.reply is None:
            outlet.note(encode_notification(CANCELLED, {"requestId": Raw(b"%d" % number)}))

    def go_deaf(self, why: str) -> None:
        """Its client will answer nothing any more."""
        for question in list(self.duplex.ours.asked.values()):
            question.lose(Why(why))


def _answer_of(response: Response) -> Reply:
    """A client's answer, on its way to the backend that has asked: an error as it came, too."""
    if response.error is not None:
        fault = faults.backend_error("", response.error)
        return Reply.failed(fault if fault.raw is not None else _unusable("error has no integer code and text message"))
    if bytes(response.result or b"")[:1] != b"{":
        return Reply.failed(_unusable("answer is no object"))
    return Reply(response.result or EMPTY)


def _unusable(what: str) -> Fault:
    return faults.client_mistake(f"the client's {what}", code=INVALID_REQUEST)
