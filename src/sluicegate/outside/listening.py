"""Listening on TCP, on a Unix socket, or on sockets that systemd has opened for us."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import attrs
import trio

from .virtual import refuse_under_virtual_time

__all__ = ["Listen", "ListenInherited", "ListenUnix", "inherited_hosts", "listen", "listen_inherited", "listen_unix"]

Listeners = list[trio.abc.Listener[trio.abc.Stream]]
Listen = Callable[[str, int], Awaitable[Listeners]]
"""Opens listeners on a host and a port; port 0 takes a free one."""
ListenUnix = Callable[[str, int], Awaitable[Listeners]]
"""Opens a listener on a path, with these permissions."""
ListenInherited = Callable[[], Awaitable[Listeners]]
"""Takes the listeners that were there before the process was."""

FIRST_INHERITED = 3
"""The number of the first socket that systemd passes (``sd_listen_fds``)."""
BACKLOG = 0xFFFF
"""The system cuts it to what it allows."""


async def listen(host: str, port: int) -> Listeners:
    """Listen on TCP; raises `OSError` where the address cannot be had."""
    refuse_under_virtual_time("listening on TCP", "Outside(listen=MemoryNetwork().listen)")
    return [*await trio.open_tcp_listeners(port, host=host)]


async def listen_unix(path: str, mode: int) -> Listeners:
    """Listen on a Unix socket with these permissions; raises `OSError`.

    A socket that nobody listens on any more, as a process leaves behind that was killed, is replaced; anything else of that name stays.
    """
    refuse_under_virtual_time("listening on a Unix socket", "the Outside of an outside world in memory")
    await _clear(path)
    own = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await own.bind(path)
        os.chmod(path, mode)  # noqa: PTH101  while nobody can connect yet
        own.listen(BACKLOG)
        return [UnixListener(trio.SocketListener(own), path, os.stat(path).st_ino)]  # noqa: PTH116
    except BaseException:
        own.close()
        raise


async def _clear(path: str) -> None:
    """Take a dead socket out of the way; raises `OSError` if something else is there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        await trio.lowlevel.checkpoint()
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EADDRINUSE, f"{path} is there already, and is no socket")
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            await probe.connect(path)
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
            return
    raise OSError(errno.EADDRINUSE, f"another program listens on {path}")


@attrs.define(eq=False, repr=False)
class UnixListener(trio.abc.Listener[trio.abc.Stream]):
    """A listener that takes its name away when it is closed."""

    inner: trio.SocketListener
    path: str
    inode: int
    """Of the name that we made: somebody may have put another in its place."""

    @property
    def socket(self) -> trio.socket.SocketType:
        """The listening socket."""
        return self.inner.socket

    async def accept(self) -> trio.abc.Stream:
        """The next connection."""
        return await self.inner.accept()

    async def aclose(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            if os.lstat(self.path).st_ino == self.inode:
                os.unlink(self.path)  # noqa: PTH108
        await self.inner.aclose()


async def listen_inherited() -> Listeners:
    """The sockets that systemd opened for this process; raises `OSError` if there are none.

    They are copies, so that whoever closes them can ask again: the sockets themselves are systemd's.
    """
    refuse_under_virtual_time("sockets of systemd's", "the Outside of an outside world in memory")
    await trio.lowlevel.checkpoint()
    found: Listeners = []
    for number in _inherited(os.environ):
        own = socket.socket(fileno=os.dup(number))
        try:
            found.append(trio.SocketListener(trio.socket.from_stdlib_socket(own)))
        except ValueError as error:
            own.close()
            for listener in found:
                await trio.aclose_forcefully(listener)
            raise OSError(errno.EINVAL, f"socket {number} that systemd passed cannot be listened on: {error}") from None
    if not found:
        raise OSError(errno.ENOTCONN, "systemd has passed no socket; start the gateway through a .socket unit")
    return found


def inherited_hosts() -> list[str]:
    """The addresses of the sockets that systemd opened; Unix sockets have none."""
    hosts = []
    for number in _inherited(os.environ):
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as own:
            if own.family in (socket.AF_INET, socket.AF_INET6):
                hosts.append(str(own.getsockname()[0]))
    return hosts


def _inherited(environ: Mapping[str, str]) -> range:
    """The numbers of the sockets, which no child of ours is to have."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return range(0)
    numbers = range(FIRST_INHERITED, FIRST_INHERITED + int(count))
    for number in numbers:
        with suppress(OSError):
            os.set_inheritable(number, False)
    return numbers
