"""A child process as the backends see it, real or in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs
import trio

__all__ = ["Child", "OpenProcess", "ProcessSpec"]


@attrs.frozen
class ProcessSpec:
    """What to run."""

    command: str
    """A path, or a name that is looked up in ``env["PATH"]``."""
    args: tuple[str, ...] = attrs.field(default=(), repr=False)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """The whole environment: nothing is inherited behind its back. The real factory adds one variable, the guardian's mark."""
    cwd: str | None = None


class Child(Protocol):
    """A running process and its group."""

    @property
    def pid(self) -> int:
        """The child's process id, which is its group's too."""
        ...

    @property
    def stdin(self) -> trio.abc.SendStream:
        """Where the child reads."""
        ...

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        """What the child writes."""
        ...

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        """What the child complains about."""
        ...

    @property
    def returncode(self) -> int | None:
        """The exit status; negative for a signal; None while the child runs."""
        ...

    async def wait(self) -> int:
        """Wait until the child itself has ended; its exit status."""
        ...

    async def wait_group(self) -> None:
        """Wait until no process of the group is left: the child may go first and its own children live on."""
        ...

    def signal_group(self, sig: int) -> None:
        """Send a signal to every process of the group; nothing happens if none is left."""
        ...

    async def aclose(self) -> None:
        """Kill what is left of the group and let go of the pipes; bounded, and done even when cancelled. The second time nothing happens."""
        ...


OpenProcess = Callable[[ProcessSpec], Awaitable[Child]]
"""Starts a process; raises `OSError` if it cannot be started."""
