"""The messages that a scripted backend answers with, and what faults make of the answers of others."""

from __future__ import annotations

from ..protocol.messages import (
    Malformed,
    Params,
    Raw,
    Request,
    decode_object,
    encode,
    encode_error,
    encode_notification,
    encode_result,
    read_text,
)
from .injections.draws import amount_of
from .injections.kinds import Delay, Duplicate, Garble, Injection, Oversize, RpcError, ToolFails, Truncate, WrongId
from .script import Answer, Echo, Result, Step

__all__ = ["CANNED", "canned", "duration", "error_object", "progress_note", "result_object", "spoiled", "unfold"]

CANNED = (Answer, Echo, Result, RpcError, ToolFails, Oversize)
"""Steps that are an answer by themselves."""

FAR_AWAY = 1_000_000_000
"""How far a wrong id is from the right one."""


def progress_note(token: Raw, progress: float) -> bytes:
    """A progress notification."""
    return encode_notification("notifications/progress", {"progressToken": token, "progress": Raw(encode(progress))})


def error_object(step: RpcError) -> bytes:
    """The ``error`` member."""
    error: dict[str, object] = {"code": step.code, "message": step.message}
    return encode(error | ({} if step.data is None else {"data": step.data}))


def result_object(step: object, method: str, params: Params, number: int) -> bytes:
    """The ``result`` member, in the form that the method wants; ``number`` counts calls from 1."""
    if isinstance(step, Result):
        return step.json
    if isinstance(step, ToolFails):
        return encode({"content": [{"type": "text", "text": step.text}], "isError": True})
    if isinstance(step, Oversize):
        return b'{"content":[{"type":"text","text":"%b"}]}' % (b"x" * step.size)
    text = step.text if isinstance(step, Answer) else f"{_named(params)} {bytes(params.get('arguments', b'{}')).decode()} #{number}"
    if method == "resources/read":
        return encode({"contents": [{"uri": read_text(params, "uri"), "text": text}]})
    if method == "prompts/get":
        return encode({"messages": [{"role": "user", "content": {"type": "text", "text": text}}]})
    if method == "completion/complete":
        return encode({"completion": {"values": [text]}})
    return encode({"content": [{"type": "text", "text": text}]})


def canned(step: object, request: Request, number: int) -> bytes:
    """The whole answer to a request."""
    if isinstance(step, RpcError):
        return encode_error(request.id, error_object(step))
    return encode_result(request.id, result_object(step, request.method, request.params, number))


def duration(delay: Delay) -> float:
    """How long it takes; half of all draws take less, where nobody has drawn."""
    return amount_of(delay.seconds, 0.5)


def unfold(step: Injection | Step | None) -> tuple[float, object]:
    """How long it takes, and what comes then: None where that is what would have come anyway."""
    seconds = 0.0
    while isinstance(step, Delay):
        seconds += duration(step)
        step = step.then
    return seconds, step


def spoiled(fault: object, answer: bytes) -> list[bytes]:
    """The messages that come in the place of an answer."""
    if isinstance(fault, Garble):
        return [fault.data]
    if isinstance(fault, Duplicate):
        return [answer, answer]
    if isinstance(fault, Truncate):
        return []  # a message that breaks off with its connection is none
    if isinstance(fault, WrongId) and not isinstance(members := decode_object(answer), Malformed):
        wrong = int(members["id"]) + FAR_AWAY if bytes(members.get("id", b"")).isdigit() else FAR_AWAY
        return [encode(members | {"id": Raw(b"%d" % wrong)})]
    return [answer]


def _named(params: Params) -> str:
    return read_text(params, "name") or read_text(params, "uri") or ""
