"""The keys that we read, and what only looks like one of them.

A peer may fold case where we do not, so a key that differs from a read one by case alone could say one thing to us and another to the
peer: it is refused. Folded as Unicode has it, where ``\u017f`` is an ``s`` and ``\u212a`` a ``k``; decoders in the wild do so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["ENVELOPE", "NESTED", "PARAMS", "collision"]


def _folded(*keys: str) -> Mapping[str, str]:
    return {key.casefold(): key for key in keys}


_NAMING = ("name", "uri", "arguments", "_meta", "cursor", "ref", "argument", "level", "requestId", "progressToken", "task")

ENVELOPE = _folded("jsonrpc", "id", "method", "params", "result", "error")
PARAMS = _folded(*_NAMING, "protocolVersion", "capabilities", "clientInfo")
NESTED = {"_meta": _folded("progressToken"), "ref": _folded("type", "name", "uri")}
"""Objects within the parameters, and what we read of them."""


def collision(keys: Iterable[str], read: Mapping[str, str]) -> str | None:
    """What is wrong with the keys of one level, given those that are read there by their folded form."""
    for key in keys:
        known = read.get(key.casefold())
        if known is not None and known != key:
            return f'member {key!r} differs from "{known}" by case alone; spell it exactly'
    return None
