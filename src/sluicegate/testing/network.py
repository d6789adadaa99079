"""An outside world in memory: a network with names, a process table, and nothing that blocks."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs
import trio

from ..outside import Outside
from ..protocol.key_values import KeyValues
from .memory_values import MemoryValues
from .memory_web import MemoryWeb
from .memory_wire import MemoryNetwork
from .processes import ProcessTable
from .resolver import Resolver
from .threads import threads_inline

__all__ = ["MemoryOutside", "open_outside", "run_inline"]

T = TypeVar("T")
NO_PORT = -1
"""Where a Unix socket listens."""


@attrs.frozen
class MemoryOutside:
    """What a gateway finds outside itself; a test installs programs in `processes`, listens on `network`, and puts sites into `web`."""

    network: MemoryNetwork
    processes: ProcessTable
    web: MemoryWeb = attrs.field(factory=MemoryWeb)
    values: MemoryValues = attrs.field(factory=MemoryValues)
    """Where ``[cache]`` has answers that are not kept in memory, for all gateways in this world."""

    @property
    def outside(self) -> Outside:
        """In the form that ``open_gateway(outside=…)`` takes."""
        return Outside(
            open_process=self.processes.open_process,
            open_stream=self.network.open_stream,
            open_http=self.web.open_http,
            listen=self.network.listen,
            listen_unix=self._listen_unix,
            listen_inherited=_listen_inherited,
            run_blocking=run_inline,
            open_values=self._open_values,
        )

    async def open_unix(self, path: str) -> trio.abc.Stream:
        """Connect to a Unix socket; raises ``OSError`` if nothing listens there."""
        return await self.network.open_stream(path, NO_PORT)

    def _open_values(self, backend: str, url: str, prefix: str, run_blocking: object, wall: object) -> KeyValues:
        del backend, url, prefix, run_blocking, wall  # there is one
        return self.values

    async def _listen_unix(self, path: str, mode: int) -> list[trio.abc.Listener[trio.abc.Stream]]:
        del mode  # there is nobody to keep out
        return await self.network.listen(path, NO_PORT)


@asynccontextmanager
async def open_outside(names: Mapping[str, str | Sequence[str]] | None = None) -> AsyncGenerator[MemoryOutside, None]:
    """An outside world for the length of a block; leaving it ends every process that still runs.

    Args:
        names: the addresses of every host name. Without them there is one host, which answers to every name.

    Example::

        async with open_outside() as world, open_gateway(config, outside=world.outside) as gateway:
            ...
    """
    async with trio.open_nursery() as programs:
        with threads_inline():
            yield MemoryOutside(MemoryNetwork(resolver=None if names is None else Resolver.of(names)), ProcessTable(programs))
        programs.cancel_scope.cancel()


async def run_inline(function: Callable[[], T], /, *, abandon: bool = False) -> T:
    """Run blocking work in its place: virtual time stands still meanwhile, and nothing else happens."""
    del abandon
    await trio.lowlevel.checkpoint()
    return function()


async def _listen_inherited() -> list[trio.abc.Listener[trio.abc.Stream]]:
    await trio.lowlevel.checkpoint()
    raise OSError(errno.ENOTCONN, "systemd has passed no socket; there is none in memory")
