"""Which tools clients may use by what their own annotations say (FLT-3, FLT-4)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..protocol.members import is_null
from ..protocol.messages import Malformed, Raw, decode_object
from ..protocol.offers import Item

__all__ = ["NO_RULES", "Annotated"]

_TRUE, _FALSE = b"true", b"false"


class Annotated(msgspec.Struct, frozen=True):
    """Rules over annotations. They are a backend's word: a guard against mistakes, and none against a backend that lies."""

    hide_destructive: bool = False
    """Hide what may destroy something. Where there are annotations, that is what says neither that it reads only nor that it destroys nothing."""
    read_only_only: bool = False
    """Hide what does not say that it reads only."""

    def __bool__(self) -> bool:
        return self.hide_destructive or self.read_only_only

    def hidden(self, tools: Iterable[Item]) -> frozenset[str]:
        """The names that are not for clients; a name that is listed twice is if one of its entries is."""
        return frozenset(tool.key for tool in tools if self._hides(tool.raw.get("annotations"))) if self else frozenset()

    def _hides(self, annotations: Raw | None) -> bool:
        if annotations is None or is_null(annotations):
            return self.read_only_only
        hints = decode_object(annotations)
        if isinstance(hints, Malformed):
            return True
        if bytes(hints.get("readOnlyHint", b"")) == _TRUE:
            return False
        return self.read_only_only or bytes(hints.get("destructiveHint", b"")) != _FALSE


NO_RULES = Annotated()
