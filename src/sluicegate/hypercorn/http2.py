"""HTTP/2 as Hypercorn has it, and what we must know about it or do otherwise.

Otherwise: a client that goes on with a body after its answer, or sends a path that is no ASCII, costs neither its connection nor a traceback; an
answer that breaks off is taken back; the last one has its end before the connection has; and nobody waits for a connection that has ended.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import h2.events
import trio
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol.events import EndBody, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol
from priority.priority import MissingStreamError

from ..http1.framing import RefusedMessage
from .judge import Limited, judge_http2
from .tasks import Tasks

__all__ = ["Http2"]

MOST_TASKS = 512
"""Of one connection: requests that were begun, those included whose client took them back at once."""
SAID = (SettingCodes.MAX_CONCURRENT_STREAMS, SettingCodes.MAX_HEADER_LIST_SIZE)
"""What Hypercorn says of itself, but for WebSockets, which we do not take."""


class Http2(H2Protocol):
    """HTTP/2."""

    counts_idle_bytes = False

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._unread: set[int] = set()
        self._ended: set[int] = set()
        """Streams whose answer is complete."""
        self._leaving: dict[int, trio.Event] = {}
        """Of these, those whose end has not been sent: the task that sends takes turns with the applications."""
        chosen = {code: self.connection.local_settings[code] for code in SAID}
        self.connection.local_settings = Settings(client=False, initial_values=chosen)

    @property
    def reads_body(self) -> bool:
        """Whether a request's body is still to come."""
        return bool(self._unread)

    @property
    def is_stuck(self) -> bool:
        """Whether something waits for the client to open its window."""
        return any(buffer.buffer for buffer in self.stream_buffers.values())

    def is_idle_after(self, event: Updated | None) -> bool:  # noqa: ARG002  an answer may be complete before its request is told of
        """Whether there is no request now."""
        return not self.streams

    async def leave(self) -> None:
        """Say goodbye (GOAWAY), if Hypercorn has not after the last answer."""
        if self.connection.state_machine.state is not ConnectionState.CLOSED:
            self.connection.close_connection()
        await self._flush()

    async def handle(self, event: Event) -> None:
        """Take what came; when it is the end, nobody waits any more for the client to open its window."""
        await super().handle(event)
        if isinstance(event, Closed):
            for buffer in list(self.stream_buffers.values()):
                await buffer.close()
            for sent in self._leaving.values():
                sent.set()

    async def stream_send(self, event: StreamEvent) -> None:
        """Take back an answer that will not be completed; Hypercorn says nothing, and the client would wait for the rest."""
        if isinstance(event, EndBody):
            self._ended.add(event.stream_id)
        elif isinstance(event, StreamClosed):
            if event.stream_id in self.streams and event.stream_id not in self._ended:
                await self._break_off(event.stream_id)
            elif event.stream_id in self.stream_buffers and not self.closed:
                await self._wait_sent(event.stream_id)
            self._ended.discard(event.stream_id)
            self._unread.discard(event.stream_id)  # whatever still comes of it, nobody waits for it
        await super().stream_send(event)

    async def _wait_sent(self, stream_id: int) -> None:
        """Let the end of an answer leave: Hypercorn may say goodbye as soon as no stream is left, and after that nothing can be sent."""
        sent = self._leaving[stream_id] = trio.Event()
        try:
            await sent.wait()
        finally:
            del self._leaving[stream_id]

    async def _break_off(self, stream_id: int) -> None:
        with suppress(ProtocolError):  # the client has taken it back, too
            self.connection.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        with suppress(MissingStreamError):
            self.priority.unblock(stream_id)
        await self.has_data.set()
        await self._flush()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self._unread.add(event.stream_id)
                if cast("Tasks", self.task_group).count > MOST_TASKS:
                    self._unread.clear()
                    self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
                    await self._flush()
                    await self.send(Closed())
                    return
                if self._refuse(event):
                    self._unread.discard(event.stream_id)
                    continue
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                self._unread.discard(event.stream_id)
            elif isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                # the answer was complete before the request; the connection's window has to be opened again all the same
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                continue
            elif isinstance(event, h2.events.PriorityUpdated):
                continue  # RFC 9113 has given priorities up, and a tree of them would be one more thing to bound
            await super()._handle_events([event])
        await self._flush()

    async def _send_data(self, stream_id: int) -> None:
        if stream_id in self.stream_buffers:
            await super()._send_data(stream_id)
            if stream_id in self._leaving and stream_id not in self.stream_buffers:
                self._leaving[stream_id].set()
        else:  # taken back by its client, and told of once more
            self.priority.remove_stream(stream_id)

    def _refuse(self, event: h2.events.RequestReceived) -> bool:
        """Answer what the application is not to be asked."""
        if self.context.terminated.is_set():
            with suppress(ProtocolError):  # taken back already
                self.connection.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)  # the client may go elsewhere with it
            return True
        limited = cast("Limited", self.config)
        try:
            judge_http2(event.headers or [], limited.limits)
        except RefusedMessage as refused:
            limited.on_refused(refused.status, str(refused))
            with suppress(ProtocolError):  # taken back already
                self._say_why(event.stream_id, refused)
            return True
        return False

    def _say_why(self, stream_id: int, refused: RefusedMessage) -> None:
        body = f"{refused.reason}\n".encode()
        if self.connection.local_flow_control_window(stream_id) < len(body):  # it wants to hear no reasons
            body = b""
        head = [
            (b":status", b"%d" % refused.status),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
        ]
        self.connection.send_headers(stream_id, head, end_stream=not body)
        if body:
            self.connection.send_data(stream_id, body, end_stream=True)
