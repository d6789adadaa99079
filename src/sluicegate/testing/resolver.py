"""Names of hosts in memory."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence

import attrs

__all__ = ["Resolver"]


@attrs.define(eq=False, repr=False)
class Resolver:
    """Knows the addresses of every name; a test may change them at any time."""

    names: dict[str, tuple[str, ...]] = attrs.field(factory=lambda: {"localhost": ("127.0.0.1",)})
    asked: list[str] = attrs.field(factory=list, init=False)
    """Every name that was looked up, in order."""

    @classmethod
    def of(cls, names: Mapping[str, str | Sequence[str]]) -> Resolver:
        """With these names, and ``localhost``."""
        return cls({"localhost": ("127.0.0.1",)} | {name.lower(): _several(addresses) for name, addresses in names.items()})

    def resolve(self, host: str) -> tuple[str, ...]:
        """The addresses in the order in which they are to be tried; an address is its own. Raises what ``getaddrinfo`` raises."""
        if "/" in host:  # a Unix socket's path
            return (host,)
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            self.asked.append(host)
        addresses = self.names.get(host.lower().removesuffix("."))
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return addresses


def _several(addresses: str | Sequence[str]) -> tuple[str, ...]:
    return (addresses,) if isinstance(addresses, str) else tuple(addresses)
