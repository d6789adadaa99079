"""Questions as a client of a revision without a handshake gets them: in an answer, each under a name, with what it brings back (P-100, P-105)."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol import faults
from ...protocol.calls import Reply
from ...protocol.errors import INVALID_REQUEST
from ...protocol.fault import Fault
from ...protocol.messages import EMPTY, Malformed, Params, Raw, decode_object, encode, read_text

__all__ = ["ANSWERS", "STATE", "answer_of", "answers_in", "as_input", "asking"]

STATE, ANSWERS = "requestState", "inputResponses"
"""With these two a client brings back what it was given, and what it was asked."""


def as_input(method: str, params: Params) -> Raw:
    """A question of an earlier revision: nobody tells how far it is, and a URL needs no id by which to say that it is done with."""
    own = {name: raw for name, raw in params.items() if name != "_meta"}
    meta = decode_object(params.get("_meta", EMPTY))
    if not isinstance(meta, Malformed) and (left := {name: raw for name, raw in meta.items() if name != "progressToken"}):
        own["_meta"] = Raw(encode(left))
    if read_text(own, "mode") == "url":
        own.pop("elicitationId", None)
    return Raw(encode({"method": method, "params": own}))


def asking(inputs: Mapping[str, Raw], state: Raw) -> Raw:
    """The result that asks."""
    return Raw(encode({"resultType": "input_required", "inputRequests": inputs, STATE: state}))


def answers_in(params: Params) -> Params | Fault:
    """What a client answers, by the names that it was asked under; nothing if it has no answers."""
    answers = decode_object(params.get(ANSWERS, EMPTY))
    return faults.client_mistake(f'"{ANSWERS}" must be an object') if isinstance(answers, Malformed) else answers


def answer_of(raw: Raw) -> Reply:
    """One of them, on its way to the backend that has asked."""
    if bytes(memoryview(raw)[:1]) == b"{":
        return Reply(raw)
    return Reply.failed(faults.client_mistake("the client's answer is no object", code=INVALID_REQUEST))
