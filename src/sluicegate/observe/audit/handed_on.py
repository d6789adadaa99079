"""Records that go to somebody else's keeping: standard output, syslog, and what a program brings."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence

import attrs

from ..writing_thread import write_some
from .chain import Chain

__all__ = ["Brought", "Descriptor", "Syslog"]

_PRIORITY = 13 * 8 + 6
"""Facility "log audit", severity "informational" (RFC 5424, 6.2.1)."""


class _Ahead:
    """What they have in common: there is nothing to go on from, to be turned or to be tidied."""

    __slots__ = ()

    def resume(self, chain: Chain) -> Sequence[bytes]:
        """Begin a chain of its own."""
        del chain
        return ()

    def turn(self, chain: Chain) -> Sequence[bytes]:
        """There is always room."""
        del chain
        return ()

    def tidy(self) -> float | None:
        """Nothing is due."""
        return None

    def close(self) -> None:
        """Somebody else's is left open."""


@attrs.define(eq=False, repr=False)
class Brought(_Ahead):
    """A function that takes each line, at once (implements `RecordTarget`)."""

    take: Callable[[bytes], None]

    def write(self, lines: Sequence[bytes]) -> None:
        """Hand them over."""
        for line in lines:
            self.take(line)


@attrs.define(eq=False, repr=False)
class Descriptor(_Ahead):
    """An open file, pipe or terminal (implements `RecordTarget`)."""

    descriptor: int
    _rest: bytes = attrs.field(default=b"", init=False)

    def write(self, lines: Sequence[bytes]) -> None:
        """Write them, a line each."""
        self._rest += b"".join(line + b"\n" for line in lines)
        rest = memoryview(self._rest)
        try:
            while rest:
                rest = write_some(self.descriptor, rest)
        finally:
            self._rest = bytes(rest)


@attrs.define(eq=False, repr=False)
class Syslog(_Ahead):
    """A daemon of this machine by its socket, or one elsewhere by UDP, which tells nobody what it loses (implements `RecordTarget`; RFC 5424)."""

    address: str
    """A path, or ``udp://host:port``."""
    _socket: socket.socket | None = attrs.field(default=None, init=False)
    _rest: list[bytes] = attrs.field(factory=list, init=False)

    def resume(self, chain: Chain) -> Sequence[bytes]:
        """Connect, so that a wrong address is told at the start."""
        del chain
        self._connect()
        return ()

    def write(self, lines: Sequence[bytes]) -> None:
        """Send them, a message each."""
        self._rest += lines
        head = f"<{_PRIORITY}>1 - {socket.gethostname()} sluicegate {os.getpid()} audit - ".encode()
        try:
            while self._rest:
                self._connect().send(head + self._rest[0])
                del self._rest[0]
        except OSError:
            self.close()  # a daemon that was started anew has another socket
            raise

    def _connect(self) -> socket.socket:
        if self._socket is None:
            if self.address.startswith("udp://"):
                host, _, port = self.address.removeprefix("udp://").rpartition(":")
                family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
            else:
                family, kind, place = socket.AF_UNIX, socket.SOCK_DGRAM, self.address  # type: ignore[assignment]
            made = socket.socket(family, kind)
            try:
                made.connect(place)
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket

    def close(self) -> None:
        """Let the socket go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
