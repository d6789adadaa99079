"""A backend that has questions answers with them; a client of an earlier revision is asked in between, and the call is sent again (P-104)."""

from __future__ import annotations

import hashlib
from functools import partial

import attrs
import msgspec
import trio

from ...protocol import faults
from ...protocol.calls import Call, Reply
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text
from ...protocol.question import Question
from ...protocol.spelled import may_name
from ...protocol.why import Why

__all__ = ["MOST_ROUNDS", "answers_to", "is_question", "is_task", "too_many"]

MOST_ROUNDS = 10
"""Of questions and answers that one call may take."""
MOST_QUESTIONS = 32
"""In one round."""


class _Kind(msgspec.Struct):
    kind: str = msgspec.field(default="complete", name="resultType")


def is_question(result: Raw) -> bool:
    """Whether a result says that the backend has questions first."""
    return may_name(bytes(result), b'"input_required"') and _kind(result) == "input_required"


def _kind(result: Raw) -> str:
    try:
        return msgspec.json.decode(result, type=_Kind).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def is_task(result: Raw) -> bool:
    """Whether a result says that its end is to be fetched."""
    return may_name(bytes(result), b'"task"') and _kind(result) == "task"


def too_many(backend: str) -> Reply:
    """It goes on asking."""
    return Reply.failed(faults.unreadable(backend, Why(f"it had questions {MOST_ROUNDS} times for one call")))


@attrs.define(eq=False, repr=False)
class _Round:
    """Questions that are asked at once."""

    answers: dict[str, Raw] = attrs.field(factory=dict, init=False)
    refusal: Reply | None = attrs.field(default=None, init=False)
    open: int = attrs.field(default=0, init=False)
    over: trio.Event = attrs.field(factory=trio.Event, init=False)

    def take(self, name: str, reply: Reply) -> None:
        """An answer; the first refusal ends the round."""
        self.open -= 1
        if reply.fault is not None:
            self.refusal = reply
        else:
            self.answers[name] = reply.result
        if self.open == 0 or self.refusal is not None:
            self.over.set()


def _with_id(params: Params, result: Raw, name: str) -> Params:
    """What earlier revisions demand of a URL that is to be opened, and this one does not give: an id of its own (P-104)."""
    if read_text(params, "mode") != "url" or "elicitationId" in params:
        return params
    return params | {"elicitationId": Raw(encode(hashlib.sha256(name.encode() + b"\0" + bytes(result)).hexdigest()[:32]))}


async def answers_to(result: Raw, call: Call, backend: str) -> Params | Reply:
    """Ask the call's client all that the backend wants to know: what is to be added to the call, or why it ends here."""
    members = decode_object(result)
    wanted = {} if isinstance(members, Malformed) else decode_object(members.get("inputRequests", EMPTY))
    if isinstance(members, Malformed) or isinstance(wanted, Malformed) or len(wanted) > MOST_QUESTIONS:
        await trio.lowlevel.checkpoint()
        return Reply.failed(faults.unreadable(backend, Why("its questions cannot be read, or are too many")))
    state: Params = {"requestState": members["requestState"]} if "requestState" in members else {}
    asked = _Round()
    questions: list[Question] = []
    try:
        for name, raw in wanted.items():
            request = decode_object(raw)
            method = None if isinstance(request, Malformed) else read_text(request, "method")
            params = {} if isinstance(request, Malformed) else decode_object(request.get("params", EMPTY))
            if method is None or isinstance(params, Malformed):
                return Reply.failed(faults.unreadable(backend, Why("one of its questions has no method")))
            question = Question(method, _with_id(params, result, name), partial(asked.take, name))
            asked.open += 1
            fault = call.back.ask(question)
            if fault is not None:
                return Reply.failed(
                    attrs.evolve(faults.cannot_ask(f"backend '{backend}' has a question: {fault.message}"), backend=backend)
                )
            questions.append(question)
        if questions:
            await asked.over.wait()
        else:
            await trio.lowlevel.checkpoint()
    finally:
        for question in questions:
            question.withdraw()
    if asked.refusal is not None:
        return asked.refusal
    return state | {"inputResponses": Raw(encode(asked.answers))}
