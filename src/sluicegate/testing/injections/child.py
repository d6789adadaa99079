"""A child process that misbehaves on demand, whatever it is itself."""

from __future__ import annotations

import signal
from collections import deque

import attrs
import trio

from ...outside import Child

__all__ = ["FaultyChild"]

COMPLAINT = b"something is wrong, and this line says so at length\n" * 64


@attrs.define(eq=False, repr=False)
class _Output(trio.abc.ReceiveStream):
    """What the child writes, and what we say in its name: never in the middle of a line of its own."""

    inner: trio.abc.ReceiveStream
    _pieces: deque[bytes] = attrs.field(factory=deque, init=False)
    _is_mid_line: bool = attrs.field(default=False, init=False)
    _waiting: trio.CancelScope | None = attrs.field(default=None, init=False)

    def say(self, *pieces: bytes) -> None:
        self._pieces.extend(pieces)
        if self._waiting is not None and not self._is_mid_line:
            self._waiting.cancel()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while not self._pieces or self._is_mid_line:
            with trio.CancelScope() as self._waiting:
                data = bytes(await self.inner.receive_some(max_bytes))
                self._is_mid_line = not data.endswith(b"\n") and data != b""
                return data
        await trio.lowlevel.checkpoint()
        piece = self._pieces.popleft()
        if max_bytes is not None and len(piece) > max_bytes:
            self._pieces.appendleft(piece[max_bytes:])
            piece = piece[:max_bytes]
        return piece

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define(eq=False, repr=False)
class _DeafStdin(trio.abc.SendStream):
    """Can be written to, but not closed."""

    inner: trio.abc.SendStream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False, repr=False)
class FaultyChild:
    """Another child, of which somebody can say how it is to fail (implements `Child`)."""

    inner: Child
    _stdout: _Output = attrs.field(init=False)
    _stderr: _Output = attrs.field(init=False)
    _is_deaf: bool = attrs.field(default=False, init=False)
    _code: int | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._stdout, self._stderr = _Output(self.inner.stdout), _Output(self.inner.stderr)

    def die(self, code: int) -> None:
        """End the whole group; the child will be seen to have ended with this status."""
        self._code = code
        self.inner.signal_group(signal.SIGKILL)

    def deafen(self) -> None:
        """From now on only SIGKILL ends it."""
        self._is_deaf = True

    def flood(self, size: int) -> None:
        """Say so many bytes on stderr."""
        whole, rest = divmod(size, len(COMPLAINT))
        self._stderr.say(*[COMPLAINT] * whole, COMPLAINT[:rest])

    def say(self, line: bytes) -> None:
        """Write a line on stdout."""
        self._stdout.say(line)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self.inner.pid

    @property
    def stdin(self) -> trio.abc.SendStream:
        """Where the child reads."""
        return _DeafStdin(self.inner.stdin) if self._is_deaf else self.inner.stdin

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        """What the child writes, and more."""
        return self._stdout

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        """What the child complains about, and more."""
        return self._stderr

    @property
    def returncode(self) -> int | None:
        """The exit status."""
        code = self.inner.returncode
        return code if code is None or self._code is None else self._code

    async def wait(self) -> int:
        """Wait until the child itself has ended; its exit status."""
        code = await self.inner.wait()
        return code if self._code is None else self._code

    async def wait_group(self) -> None:
        """Wait until no process of the group is left."""
        await self.inner.wait_group()

    def signal_group(self, sig: int) -> None:
        """Send a signal to every process of the group, if it hears it."""
        if sig == signal.SIGKILL or not self._is_deaf:
            self.inner.signal_group(sig)

    async def aclose(self) -> None:
        """Kill what is left of the group and let go of the pipes."""
        await self.inner.aclose()
