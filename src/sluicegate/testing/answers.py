"""The messages that a scripted backend answers with."""

from __future__ import annotations

from ..protocol.messages import Params, Raw, encode, encode_notification, read_text
from .script import Answer, Error, Result, Step, ToolError

__all__ = ["error_object", "progress_note", "result_object"]


def progress_note(token: Raw, progress: float) -> bytes:
    """A progress notification."""
    return encode_notification("notifications/progress", {"progressToken": token, "progress": Raw(encode(progress))})


def error_object(step: Error) -> bytes:
    """The ``error`` member."""
    error: dict[str, object] = {"code": step.code, "message": step.message}
    return encode(error | ({} if step.data is None else {"data": step.data}))


def result_object(step: Step, method: str, params: Params, number: int) -> bytes:
    """The ``result`` member, in the form that the method wants; ``number`` counts calls from 1."""
    if isinstance(step, Result):
        return step.json
    if isinstance(step, ToolError):
        return encode({"content": [{"type": "text", "text": step.text}], "isError": True})
    text = step.text if isinstance(step, Answer) else f"{_named(params)} {bytes(params.get('arguments', b'{}')).decode()} #{number}"
    if method == "resources/read":
        return encode({"contents": [{"uri": read_text(params, "uri"), "text": text}]})
    if method == "prompts/get":
        return encode({"messages": [{"role": "user", "content": {"type": "text", "text": text}}]})
    if method == "completion/complete":
        return encode({"completion": {"values": [text]}})
    return encode({"content": [{"type": "text", "text": text}]})


def _named(params: Params) -> str:
    return read_text(params, "name") or read_text(params, "uri") or ""
