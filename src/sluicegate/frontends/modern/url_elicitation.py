"""A backend that wants a URL to be opened first says so with an error that revisions without a handshake do not know: there it is a question (P-27)."""

from __future__ import annotations

import attrs
import msgspec

from ...protocol import faults
from ...protocol.calls import Call, Trail
from ...protocol.fault import Fault
from ...protocol.members import decode_array
from ...protocol.messages import EMPTY, Malformed, Raw, decode_object, read_text
from ...protocol.question import undeclared
from .inputs import ANSWERS, STATE, answers_in, as_input, asking
from .states import Kind, RequestState, RequestStates

__all__ = ["once_more", "questions_of"]

MOST_ROUNDS = 10
"""So often one call may be answered so: its user has agreed each time, and the backend does not know it."""
MOST_URLS = 32
_ELICIT = "elicitation/create"


def questions_of(fault: Fault, call: Call, states: RequestStates) -> Raw | None:
    """The result that asks for what a backend's -32042 wants; None where the client cannot be asked that, or nothing can be read."""
    inputs: dict[str, Raw] = {}
    wanted = _wanted(fault)
    if not 0 < len(wanted) <= MOST_URLS or call.trail.rounds >= MOST_ROUNDS:
        return None
    for name, raw in zip(_names(len(wanted)), wanted, strict=True):
        params = decode_object(raw)
        if isinstance(params, Malformed) or read_text(params, "mode") != "url" or undeclared(_ELICIT, params, call.caller.capabilities):
            return None
        inputs[name] = as_input(_ELICIT, params)
    return asking(inputs, states.give(RequestState(Kind.AGAIN, call.trail.answerer, call.trail.rounds + 1, inner=f"{len(inputs)}"), call))


def _names(number: int) -> list[str]:
    """Under which so many are asked."""
    return [f"{one}" for one in range(1, number + 1)]


def _wanted(fault: Fault) -> list[Raw]:
    error = decode_object(fault.raw or EMPTY)
    data = decode_object(EMPTY if isinstance(error, Malformed) else error.get("data", EMPTY))
    try:
        return [] if isinstance(data, Malformed) else decode_array(data.get("elicitations", Raw(b"[]")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def once_more(call: Call, state: RequestState) -> Call | Fault:
    """The same call as its backend has seen it, for that one alone, now that its user has agreed; or why it is not sent."""
    answers = answers_in(call.params)
    if isinstance(answers, Fault):
        return answers
    missing = [name for name in _names(int(state.inner)) if name not in answers]
    if missing:
        return faults.client_mistake(f'"{ANSWERS}" must answer all that was asked; there is none to {", ".join(missing)}')
    for raw in answers.values():
        answer = decode_object(raw)
        if isinstance(answer, Malformed) or read_text(answer, "action") != "accept":
            return attrs.evolve(faults.cancelled("its user did not agree to open what it needs"), started=False)
    call.params = {name: raw for name, raw in call.params.items() if name not in (STATE, ANSWERS)}
    call.trail = Trail(asked=True, mirrored=True, rounds=state.number, bound_to=state.about)
    return call
