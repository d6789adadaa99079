"""What a client says that it can do: read whole, kept within bounds."""

from __future__ import annotations

from functools import lru_cache

from . import faults
from .members import TOO_MANY, Malformed, Params, Raw, decode_object

__all__ = ["LARGEST_CAPABILITIES", "MOST_KEPT", "read_capabilities"]

LARGEST_CAPABILITIES = 64 * 1024
"""Bytes of what a client says that it can do."""
MOST_KEPT = 2048
"""Bytes of it that are kept as long as the session, of which there may be many; of more only the names are."""
KNOWN = frozenset({"elicitation", "experimental", "extensions", "roots", "sampling", "tasks"})
"""Those that the protocol knows. The names of others would be kept as long as a session, and mean nothing to us."""


def read_capabilities(raw: Raw, name: str) -> Params | faults.Fault:
    """Of `KNOWN` those that the client has, each whole; ``name`` is the member that holds them."""
    if memoryview(raw).nbytes > LARGEST_CAPABILITIES:
        return faults.client_mistake(f'"{name}" must not have more than {LARGEST_CAPABILITIES} bytes')
    whole = bytes(raw)
    return _read_again(whole, name) if len(whole) <= MOST_KEPT else _read(whole, name)


def _read(raw: bytes, name: str) -> Params | faults.Fault:
    capabilities = decode_object(raw)
    if isinstance(capabilities, Malformed):
        why = TOO_MANY if capabilities.message == TOO_MANY else "it must be an object"
        return faults.client_mistake(f'"{name}" cannot be read: {why}')
    known = [(key, bytes(capabilities[key])) for key in sorted(KNOWN & capabilities.keys())]
    if sum(len(value) for _key, value in known) > MOST_KEPT:
        known = [(key, b"{}") for key, _value in known]
    return _kept(tuple(known))


_read_again = lru_cache(_read)
"""Clients of one program write it alike, with each request of the newest revision."""


@lru_cache
def _kept(known: tuple[tuple[str, bytes], ...]) -> Params:
    """One object for all clients that can do the same, however they write it."""
    return {name: Raw(value) for name, value in known}
