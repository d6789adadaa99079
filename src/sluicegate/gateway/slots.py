"""The place of a policy in a chain, whether it is new or was there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..policies.cache import Cache
from ..policies.coalesce import Coalesce
from ..policies.hedge import Hedge
from ..policies.rate import RateLimit
from ..policies.remembering import Remembering
from ..policies.retry import Retry
from ..protocol.calls import Handler, Layer

__all__ = ["Slot"]

L = TypeVar("L", bound="Retry | Hedge | RateLimit | Cache | Coalesce | Remembering[Any]")
"""Those that remember something and stand in the chain."""


@attrs.define(eq=False, repr=False)
class Slot(Generic[L]):
    """The place of one policy in a chain: for a new one, or for the one that was there before."""

    make: Callable[[Handler], L] | None
    """None where it is not configured."""
    policy: L | None = None
    _inner: Handler | None = attrs.field(default=None, init=False)

    @property
    def layer(self) -> Layer | None:
        """What puts it around the rest of a chain; to one that works already nothing happens yet."""
        make = self.make
        if make is None:
            return None

        def layer(inner: Handler) -> Handler:
            self._inner = inner
            if self.policy is None:
                self.policy = make(inner)
            return self.policy

        return layer

    def begin(self) -> None:
        """Let it lead on to what is behind it in the new chain."""
        if self.policy is not None and self._inner is not None:
            self.policy.inner = self._inner
