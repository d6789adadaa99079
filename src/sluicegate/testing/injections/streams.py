"""Any Trio stream, with an injection: for tests of whatever reads and writes streams."""

from __future__ import annotations

import attrs
import trio

from ...http1.client.connection import probe_of
from ..answers import unfold
from .kinds import Drip, DropAnswer, Garble, Hang, Injection, Refuse, Reset, Truncate

__all__ = ["FaultyStream"]

MOST_READ = 65_536


@attrs.define(eq=False, repr=False)
class FaultyStream(trio.abc.Stream):
    """Another stream, of which the other side seems to fail.

    What is received comes late (`Delay`), in drips (`Drip`), only in part (`Truncate`), as other bytes (`Garble`) or not at all (`Hang`,
    `DropAnswer`); the connection may be lost at the first receipt (`Reset`) or with the first thing that is sent (`Refuse`). Injections that
    are about messages mean nothing here, and do nothing.
    """

    inner: trio.abc.Stream
    fault: Injection | None = None
    """May be changed at any time."""
    _late: bool = attrs.field(default=False, init=False)
    """The delay is over."""
    _came: int = attrs.field(default=0, init=False)
    _closed: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def is_readable(self) -> bool:
        """Whether something can be received."""
        return self._closed.is_set() or probe_of(self.inner)()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, unless nobody is to hear it."""
        _, fault = unfold(self.fault)
        if isinstance(fault, Refuse):
            await self.break_off()
            raise trio.BrokenResourceError("the connection was refused")
        if isinstance(fault, Hang | Reset):
            await trio.lowlevel.checkpoint()
        else:
            await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, or what the injection leaves of it."""
        seconds, fault = unfold(self.fault)
        if seconds and not self._late:
            await self.pause(seconds)
            self._late = True
        if isinstance(fault, Reset):
            await self.break_off()
            raise trio.BrokenResourceError(fault.why)
        if isinstance(fault, Hang | DropAnswer):
            await self.pause(float("inf"))
        if isinstance(fault, Drip):
            await self.pause(fault.seconds)
            max_bytes = min(max(1, fault.size), max_bytes or MOST_READ)
        return self._spoil(fault, bytes(await self.inner.receive_some(max_bytes)))

    def _spoil(self, fault: object, data: bytes) -> bytes:
        if isinstance(fault, Truncate):
            left = max(0, (len(data) // 2 if fault.size is None else fault.size) - self._came)
            self._came += len(data[:left])
            return data[:left]
        if isinstance(fault, Garble) and data:
            self.fault = None
            return fault.data
        return data

    async def pause(self, seconds: float) -> None:
        """Wait, unless the stream is closed meanwhile."""
        with trio.move_on_after(seconds):
            await self._closed.wait()
            raise trio.ClosedResourceError("this end of the connection is closed")

    async def break_off(self) -> None:
        """Close what is below, so that it carries no more."""
        await trio.aclose_forcefully(self.inner)

    async def aclose(self) -> None:
        """Close."""
        self._closed.set()
        await self.inner.aclose()
