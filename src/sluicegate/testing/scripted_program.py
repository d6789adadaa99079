"""A scripted backend as a program that speaks on its stdin and stdout, for a `ProcessTable`."""

from __future__ import annotations

from contextlib import suppress

import trio

from ..backends.channel import ChannelSession
from ..channel.lines import Oversized
from ..channel.outbox import Frame
from ..channel.reading import read_lines
from ..outside import ProcessSpec
from ..protocol.clientele import MANY
from ..protocol.messages import Params
from ..protocol.tokens import NOBODY
from ..protocol.why import Why
from .backend import ScriptedBackend
from .processes import Program

__all__ = ["FarSession", "program_of"]

LONGEST_LINE = 1 << 24


class _NoInbox:
    """The far end takes notifications as frames."""

    clientele = MANY

    def notification(self, method: str, params: Params) -> None:
        del method, params

    def renewed(self) -> None:
        pass


class FarSession(ChannelSession):
    """A session seen from the far end: what the backend says is `heard` there."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _NoInbox())
        self.said, self.heard = trio.open_memory_channel[bytes](1 << 16)

    def receive(self, data: bytes, about: int = NOBODY) -> None:
        """The backend says something."""
        del about
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self.said.send_nowait(data)

    def close(self, given: Why | str) -> None:
        """End the conversation; what was said before is still written."""
        super().close(given)
        self.said.close()


def program_of(backend: ScriptedBackend) -> Program:
    """A program that plays the backend; it ends with its input, and with status 1 where the script closes the connection."""

    async def program(stdin: trio.abc.ReceiveStream, stdout: trio.abc.SendStream, stderr: trio.abc.SendStream, spec: ProcessSpec) -> int:
        del spec
        if backend.refuse:
            await stderr.send_all(backend.refuse.encode() + b"\n")
            return 1
        session = FarSession(backend.name)
        backend.sessions.append(session)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_read, stdin, session)
                nursery.start_soon(_write, session, stdout)
                await backend.converse(session)
                nursery.cancel_scope.cancel()
        finally:
            session.close("the program has ended")
            backend.sessions.remove(session)
        return 0 if str(await session.wait_closed()) == "its input has ended" else 1

    return program


async def _read(stdin: trio.abc.ReceiveStream, session: FarSession) -> None:

    def take(line: bytes | Oversized) -> None:
        if not isinstance(line, Oversized) and line.strip():
            session.outbox.put(Frame(line))

    await read_lines(stdin, LONGEST_LINE, take)
    session.close("its input has ended")


async def _write(session: FarSession, stdout: trio.abc.SendStream) -> None:
    with suppress(trio.BrokenResourceError):
        async for line in session.heard:
            await stdout.send_all(line + b"\n")
