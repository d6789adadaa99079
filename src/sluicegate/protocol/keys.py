"""The keys that we read, and what only looks like one of them.

A peer may fold case where we do not, so a key that differs from a read one by case alone could say one thing to us and another to the
peer: it is refused. Folded as Unicode has it, where ``\u017f`` is an ``s`` and ``\u212a`` a ``k``; decoders in the wild do so.
"""

from __future__ import annotations

from collections.abc import KeysView, Mapping

import attrs

__all__ = ["ENVELOPE", "NESTED", "PARAMS", "KnownKeys", "collision"]


def _folded(exact: frozenset[str]) -> Mapping[str, str]:
    return {key.casefold(): key for key in exact}


@attrs.frozen(eq=False, repr=False)
class KnownKeys:
    """The keys that are read at one level."""

    exact: frozenset[str]
    folded: Mapping[str, str] = attrs.field(init=False, default=attrs.Factory(lambda self: _folded(self.exact), takes_self=True))
    """By their folded form."""


_NAMING = ("name", "uri", "arguments", "_meta", "cursor", "ref", "argument", "level", "requestId", "progressToken", "task")

ENVELOPE = KnownKeys(frozenset(("jsonrpc", "id", "method", "params", "result", "error")))
PARAMS = KnownKeys(frozenset((*_NAMING, "protocolVersion", "capabilities", "clientInfo")))
NESTED = {"_meta": KnownKeys(frozenset(("progressToken",))), "ref": KnownKeys(frozenset(("type", "name", "uri")))}
"""Objects within the parameters, and what we read of them."""


def collision(keys: KeysView[str], known: KnownKeys) -> str | None:
    """What is wrong with the keys of one level."""
    if keys <= known.exact:  # nearly always, and four times as quick as a look at each
        return None
    for key in keys:
        meant = known.folded.get(key.casefold())
        if meant is not None and meant != key:
            return f'member {key!r} differs from "{meant}" by case alone; spell it exactly'
    return None
