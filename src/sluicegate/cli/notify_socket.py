"""Telling the service manager how it stands, as systemd's ``sd_notify`` has it: one datagram to the socket that the environment names.

It never waits, and what cannot be told is left out: the gateway serves all the same.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

__all__ = ["NotifySocket"]

_VARIABLE = "NOTIFY_SOCKET"


class NotifySocket:
    """Who has started the process; nobody hears anything where that is no service manager."""

    def __init__(self) -> None:
        path = os.environ.get(_VARIABLE, "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path

    def ready(self, status: str = "") -> None:
        """It serves, or does so again after `reloading`."""
        self._tell("READY=1", *([f"STATUS={status}"] if status else []))

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows, whatever comes of it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """It takes nothing new."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)
