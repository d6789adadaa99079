"""What a gateway answers over HTTP, taken apart into messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import attrs

from ..protocol.events import EventParser, OversizedEvent
from ..protocol.messages import Malformed, Raw, Response, decode, decode_object

if TYPE_CHECKING:
    import httpx2

__all__ = ["LONGEST_MESSAGE", "Answer", "DeliveryFailed", "failure_of", "read_events"]

LONGEST_MESSAGE = 64 * 1024 * 1024


class DeliveryFailed(Exception):
    """A message got no answer, and the text says why; or ``error`` is the daemon's own JSON-RPC error."""

    def __init__(self, message: str, error: Raw | None = None) -> None:
        super().__init__(message)
        self.error = error


@attrs.define(eq=False)
class Answer:
    """What one stream or body has brought."""

    emit: Callable[[bytes], Awaitable[None]]
    last_id: str = ""
    complete: bool = False

    async def take_all(self, events: AsyncGenerator[tuple[bytes, str], None]) -> None:
        """Pass on a stream of events, given as data and id."""
        async with aclosing(events):
            async for data, event_id in events:
                self.last_id = event_id or self.last_id
                await self.take(data)

    async def take(self, data: bytes) -> None:
        """Pass on one message, and notice whether it is the reply."""
        if data:
            self.complete = self.complete or isinstance(decode(data), Response | Malformed)  # what cannot be read may be a batch
            await self.emit(data)


async def read_events(response: httpx2.Response) -> AsyncGenerator[tuple[bytes, str], None]:
    """The events of an answer, as data and id."""
    parser = EventParser(LONGEST_MESSAGE)
    async with aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            for event in parser.feed(chunk):
                if isinstance(event, OversizedEvent):
                    raise DeliveryFailed(f"the gateway sent an event of more than {event.limit} bytes")
                yield event.data, event.id


def failure_of(status: int, body: bytes) -> DeliveryFailed:
    """What a refusal says."""
    members = decode_object(body)
    if not isinstance(members, Malformed) and "error" in members:
        return DeliveryFailed(f"HTTP {status}", members["error"])
    return DeliveryFailed(f"the gateway answered with HTTP {status}: {body[:200].decode(errors='replace')}")
