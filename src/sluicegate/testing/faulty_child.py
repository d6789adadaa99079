"""A child process that misbehaves on demand, whatever it is itself."""

from __future__ import annotations

import signal

import attrs
import trio

from ..outside import Child

__all__ = ["FaultyChild"]

COMPLAINT = b"something is wrong, and this line says so at length\n" * 64


@attrs.define(eq=False)
class _Stderr(trio.abc.ReceiveStream):
    """What the child complains about, and what we say in its name."""

    inner: trio.abc.ReceiveStream
    _left: int = attrs.field(default=0, init=False)
    _waiting: trio.CancelScope | None = attrs.field(default=None, init=False)

    def flood(self, size: int) -> None:
        self._left += size
        if self._waiting is not None:
            self._waiting.cancel()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while not self._left:
            with trio.CancelScope() as self._waiting:
                return bytes(await self.inner.receive_some(max_bytes))
        await trio.lowlevel.checkpoint()
        piece = COMPLAINT[: min(self._left, max_bytes or len(COMPLAINT))]
        self._left -= len(piece)
        return piece

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define(eq=False)
class _DeafStdin(trio.abc.SendStream):
    """Can be written to, but not closed."""

    inner: trio.abc.SendStream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class FaultyChild:
    """Another child, of which somebody can say how it is to fail (implements `Child`)."""

    inner: Child
    _stderr: _Stderr = attrs.field(init=False)
    _is_deaf: bool = attrs.field(default=False, init=False)
    _code: int | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._stderr = _Stderr(self.inner.stderr)

    def die(self, code: int) -> None:
        """End the whole group; the child will be seen to have ended with this status."""
        self._code = code
        self.inner.signal_group(signal.SIGKILL)

    def deafen(self) -> None:
        """From now on only SIGKILL ends it."""
        self._is_deaf = True

    def flood(self, size: int) -> None:
        """Say so many bytes on stderr."""
        self._stderr.flood(size)

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
        """What the child writes."""
        return self.inner.stdout

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
