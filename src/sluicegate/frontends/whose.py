"""Whoever is at the other end of a connection that is his own."""

from __future__ import annotations

from typing import Protocol

from ..protocol.principal import Principal

__all__ = ["Whose"]


class Whose(Protocol):
    """Who that is, and what is counted for him."""

    @property
    def principal(self) -> Principal:
        """Who he has shown to be; what he may do can differ from one message to the next."""
        ...

    @property
    def network(self) -> str:
        """What he is counted by where nobody has to show who he is; empty where there is none."""
        ...

    def may_hold(self, size: int) -> bool:
        """Whether there is room for a large request of so many bytes; then it counts until `let_go`."""
        ...

    def let_go(self, size: int) -> None:
        """A large request has its answer."""
        ...
