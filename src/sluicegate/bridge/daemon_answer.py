"""What a gateway answers over HTTP, taken apart into messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import attrs

from ..protocol.batches import is_batch
from ..protocol.headers import EVENT_STREAM, media_type
from ..protocol.messages import Malformed, Message, Raw, Request, Response, decode, decode_object, encode_notification
from ..protocol.offers import KINDS
from ..protocol.sse import EventParser, OversizedEvent
from ..telling.loggers import get_logger

if TYPE_CHECKING:
    import httpx2

__all__ = ["LONGEST_MESSAGE", "DaemonAnswer", "DeliveryFailed", "changes_after", "failure_of", "read_answer", "read_body", "read_events"]

log = get_logger("sluicegate.bridge")

LONGEST_MESSAGE = 64 * 1024 * 1024


class DeliveryFailed(Exception):
    """A message got no answer, and the text says why; or ``error`` is the daemon's own JSON-RPC error. ``status`` is HTTP's, 0 if it is not to blame."""

    def __init__(self, message: str, error: Raw | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.error, self.status = error, status


@attrs.define(eq=False, repr=False)
class DaemonAnswer:
    """What one stream or body has brought."""

    emit: Callable[[bytes], Awaitable[None]]
    asked: Message | None = None
    """What it is the answer to; None for the stream that answers nothing."""
    last_id: str = ""
    complete: bool = attrs.field(init=False)
    """Whether all replies are there that must come."""

    def __attrs_post_init__(self) -> None:
        self.complete = not isinstance(self.asked, Request)

    async def take_all(self, events: AsyncGenerator[tuple[bytes, str], None]) -> None:
        """Pass on a stream of events, given as data and id."""
        async with aclosing(events):
            async for data, event_id in events:
                self.last_id = event_id or self.last_id
                if data:
                    await self.take(data)

    async def take(self, data: bytes) -> None:
        """Pass on one message, and notice whether it is the reply; raises `DeliveryFailed` for what is no message."""
        message = decode(data)
        if isinstance(message, Malformed) and not is_batch(data):
            raise DeliveryFailed(f"what answered is no MCP server: {message.message}: {data[:200].decode(errors='replace')!r}")
        if isinstance(message, Response):
            if not self._awaits(message):
                log.warning("a reply that nobody waits for was dropped", id=message.key)
                return
            self.complete = True
        await self.emit(data)

    def _awaits(self, reply: Response) -> bool:
        if isinstance(self.asked, Request):
            return not self.complete and reply.key == self.asked.key
        return isinstance(self.asked, Malformed)  # the gateway itself says what is wrong with it, or it was a batch


async def read_body(response: httpx2.Response) -> bytes:
    """The whole body; raises `DeliveryFailed` if it is too long."""
    body = bytearray()
    async with aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > LONGEST_MESSAGE:
                raise DeliveryFailed(f"the gateway sent an answer of more than {LONGEST_MESSAGE} bytes")
    return bytes(body)


async def read_events(response: httpx2.Response) -> AsyncGenerator[tuple[bytes, str], None]:
    """The events of an answer, as data and id."""
    parser = EventParser(LONGEST_MESSAGE)
    async with aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            for event in parser.feed(chunk):
                if isinstance(event, OversizedEvent):
                    raise DeliveryFailed(f"the gateway sent an event of more than {event.limit} bytes")
                yield event.data, event.id


async def read_answer(response: httpx2.Response, answer: DaemonAnswer) -> None:
    """Pass on what a POST brought; afterwards the answer is complete, or can be resumed."""
    if response.status_code == 200 and media_type(response.headers.get("content-type", "")) == EVENT_STREAM:
        await answer.take_all(read_events(response))
        if not answer.complete and not answer.last_id:
            raise DeliveryFailed("the gateway's answer ended before it was complete")
        return
    body = await read_body(response)
    if response.status_code >= 300:
        raise failure_of(response.status_code, body)
    if body:
        await answer.take(body)
    if not answer.complete:
        raise DeliveryFailed(f"what answered (HTTP {response.status_code}) gave no reply to the request")


def failure_of(status: int, body: bytes) -> DeliveryFailed:
    """What a refusal says."""
    members = decode_object(body)
    if not isinstance(members, Malformed) and "error" in members:
        return DeliveryFailed(f"HTTP {status}", members["error"], status)
    return DeliveryFailed(f"the gateway answered with HTTP {status}: {body[:200].decode(errors='replace')}", status=status)


def changes_after(opening: bytes) -> list[bytes]:
    """What to tell a client when its session was opened again: every list may be another one (P-88)."""
    answer = decode(opening)
    result = decode_object(answer.result or b"{}") if isinstance(answer, Response) else {}
    declared = {} if isinstance(result, Malformed) else decode_object(result.get("capabilities", b"{}"))
    if isinstance(declared, Malformed):
        return []
    methods = (kind.changed for kind in KINDS if b"listChanged" in bytes(declared.get(kind.capability, b"")))
    return [encode_notification(method, {}) for method in dict.fromkeys(methods)]
