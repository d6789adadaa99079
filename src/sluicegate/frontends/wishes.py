"""Faults on purpose, as far as clients meet them: one request's wish for one, and what ``/health`` says about them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from ..protocol.addresses import is_loopback

__all__ = ["WISH", "Wishes", "may_wish"]

WISH = b"x-sluicegate-fault"
"""The header with which a request asks for a fault of its own, where faults are injected at all, and on loopback."""
_PROXIED = (b"x-forwarded-", b"forwarded", b"via", b"x-real-ip")
"""How headers begin with which a proxy tells of a client of its own."""


def may_wish(client: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request comes from this very machine, as far as one can see: a proxy on it lets others in, and connects from here."""
    return (client is None or is_loopback(client[0])) and not any(name.lower().startswith(_PROXIED) for name, _ in headers)


class Wishes(Protocol):
    """Can make a call fail."""

    def wished(self, text: str) -> AbstractContextManager[None]:
        """The first attempt that is made in the block gets this fault; raises `ValueError` at once if there is no such thing."""
        ...

    def health(self) -> Mapping[str, object]:
        """What there is to tell."""
        ...
