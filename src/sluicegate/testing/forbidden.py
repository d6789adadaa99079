"""What a scenario must not ask Trio for: the real world, for which no virtual clock waits and of which no seed tells what it does next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import trio

from ..outside.virtual import refuse_under_virtual_time

__all__ = ["refuse_sockets", "threads_refused"]


def _refuse(what: str) -> NoReturn:
    refuse_under_virtual_time(what, "what `Play.world` has in memory")
    raise AssertionError("this is for a run on a mock clock")


class _NoNames(trio.abc.HostnameResolver):
    async def getaddrinfo(self, *_: object, **__: object) -> NoReturn:
        await trio.lowlevel.checkpoint()
        _refuse("DNS")

    async def getnameinfo(self, *_: object, **__: object) -> NoReturn:
        await trio.lowlevel.checkpoint()
        _refuse("DNS")


class _NoSockets(trio.abc.SocketFactory):
    def socket(self, *_: object, **__: object) -> NoReturn:
        _refuse("a socket")


def refuse_sockets() -> None:
    """For the rest of this run of Trio."""
    trio.socket.set_custom_hostname_resolver(_NoNames())
    trio.socket.set_custom_socket_factory(_NoSockets())


@contextmanager
def threads_refused() -> Iterator[None]:
    """Inside of the block, whoever asks Trio for a thread on a mock clock is told off: files and child processes take one, too."""
    before = trio.to_thread.run_sync

    async def run_sync(*_: object, **__: object) -> NoReturn:
        await trio.lowlevel.checkpoint()
        _refuse("a thread")

    trio.to_thread.run_sync = run_sync
    try:
        yield
    finally:
        trio.to_thread.run_sync = before
