"""What is asked of a policy that remembers something and is made of its settings alone; it is put into a chain with one line."""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import Any, Generic, TypeVar

import attrs

from ..protocol.calls import Call, Handler, Reply
from ..telling.statistics import Value

__all__ = ["Remembering", "remembering"]

S = TypeVar("S", bound=attrs.AttrsInstance)


@attrs.define(eq=False, repr=False)
class Remembering(Generic[S]):
    """A policy of one backend. It stays as long as its settings do, whatever else changes, and leads on to what is behind it then."""

    inner: Handler
    settings: S
    backend: str

    @abstractmethod
    async def __call__(self, call: Call) -> Reply:
        """Run a call."""

    @abstractmethod
    def statistics(self) -> Value:
        """What it has counted until now."""

    def follow(self, former: object) -> None:
        """Prepare to take the place of one of the same kind, with other settings; calls still pass that one, and may for ever."""

    def begin(self) -> None:
        """From now on calls come here."""


def remembering() -> list[type[Remembering[Any]]]:
    """Every such policy that has been imported; but not what attrs made its class with slots of, which lives until it is collected."""
    return [kind for kind in Remembering.__subclasses__() if vars(sys.modules[kind.__module__]).get(kind.__name__) is kind]
