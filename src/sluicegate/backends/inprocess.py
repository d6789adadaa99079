"""A server object of the MCP SDK as a backend, in this very process (LIB-10).

The SDK's memory streams carry parsed envelopes; here they are turned into messages and back, so that a server in the process passes the
same session code as one behind a pipe.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from ..protocol.messages import Request, decode
from ..protocol.tokens import own_key
from ..protocol.why import Why
from .channel import ChannelSession
from .session import CLOSED, BackendSession, Inbox

if TYPE_CHECKING:
    from mcp.server import Server
    from mcp.server.mcpserver import MCPServer
    from mcp.shared.memory import MessageStream
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCMessage

__all__ = ["InProcessConnector"]

ENDED = Why("the server ended")
GOODBYE_SECONDS = 2.0
"""How long a server may take to end after its input has ended."""


@attrs.frozen
class InProcessConnector:
    """Opens sessions with a ``Server`` or ``MCPServer`` of the MCP SDK."""

    name: str
    server: Server[Any] | MCPServer[Any]
    transport: str = "inprocess"
    make_session: Callable[..., ChannelSession] = ChannelSession
    """What keeps the conversation; the test kit has one that fails on demand."""

    def __call__(self, inbox: Inbox) -> AbstractAsyncContextManager[BackendSession]:
        """Run the server in a task of its own for as long as the session is open."""
        return self._open(inbox)

    @asynccontextmanager
    async def _open(self, inbox: Inbox) -> AsyncGenerator[BackendSession, None]:
        from mcp.shared.memory import create_client_server_memory_streams

        session = self.make_session(self.name, inbox)
        async with create_client_server_memory_streams() as (ours, theirs), trio.open_nursery() as nursery:
            nursery.start_soon(self._serve, theirs, session)
            nursery.start_soon(_write, session, ours)
            nursery.start_soon(_read, session, ours)
            try:
                yield session
            finally:
                session.close(CLOSED)
                nursery.cancel_scope.deadline = trio.current_time() + GOODBYE_SECONDS

    async def _serve(self, streams: MessageStream, session: ChannelSession) -> None:
        server: Any = getattr(self.server, "_lowlevel_server", self.server)  # the SDK has no public name for it yet
        read, write = streams
        why = ENDED
        try:
            await server.run(read, write, server.create_initialization_options())
        except Exception as error:  # noqa: BLE001  whatever a server's own code raises ends this session and nothing else
            why = Why("the server failed", f"the server raised {error!r}")
        finally:
            session.close(why)


async def _write(session: ChannelSession, streams: MessageStream) -> None:
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    _read_stream, write = streams
    async with write:
        while (frame := await session.next_frame()) is not None:
            try:
                message = jsonrpc_message_adapter.validate_json(frame)
            except ValueError as error:  # the SDK's limits on depth, digits and text are narrower than ours
                what = "the server could not be asked, because the SDK cannot read the call"
                session.refuse(_key(frame), Why(what, f"{what}: {error}"))
                continue
            try:
                await write.send(SessionMessage(message))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


async def _read(session: ChannelSession, streams: MessageStream) -> None:
    read, _write_stream = streams
    async for item in read:
        if isinstance(item, Exception):
            session.complain(repr(item))
        else:
            _pass_on(item, session)
    session.close(ENDED)


def _pass_on(item: SessionMessage, session: ChannelSession) -> None:
    message: JSONRPCMessage = item.message
    try:
        data = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except ValueError as error:  # half a surrogate is text in Python and nowhere else
        session.refuse(getattr(message, "id", None), Why("it cannot be written as JSON", f"it cannot be written as JSON: {error}"))
        session.complain(repr(error))
    else:
        session.receive(data, own_key(getattr(item.metadata, "related_request_id", None)))


def _key(frame: bytes) -> int | str | None:
    message = decode(frame)
    return message.key if isinstance(message, Request) else None
