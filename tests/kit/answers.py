"""What a client of Streamable HTTP reads in an answer, whether that is a document or a stream."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec

from sluicegate.protocol.sse import Event, EventParser

__all__ = ["message_in", "message_of"]


def message_of(kind: str, body: bytes) -> Any:
    """The answer to the call, by its content type; it is the last of the events, if there are several."""
    if kind == "text/event-stream":
        body = [event for event in EventParser(1 << 24).feed(body) if isinstance(event, Event)][-1].data
    return msgspec.json.decode(body)


def message_in(answer: httpx2.Response) -> Any:
    """The same of a response."""
    return message_of(answer.headers["content-type"], answer.content)
