"""What makes two requests the same, for whoever answers both with one answer.

The order of an object's keys does not matter, and numbers count as they are written. What a backend might understand in two ways, such as a
key that comes twice, is the same as nothing: else the answer to one reading could be given to who means the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import blake2b

import attrs
import msgspec

from ..protocol.calls import Call
from ..protocol.messages import Malformed, Params, Raw, decode_object

__all__ = ["RequestKeys", "without_call_meta"]

LARGEST = 64 * 1024
"""Bytes of all parameters; more take too long to read."""
_OWN_KIND = frozenset({"task", "requestState", "inputResponses"})
"""Parameters of requests that are parts of something longer."""
_OF_THE_CALL = frozenset({"progressToken", "traceparent", "tracestate", "baggage", "claudecode/toolUseId", "vscode.requestId"})
"""Members of ``_meta`` that are about one call, and change nothing of its answer; so are our own."""
_OURS = "sluicegate/"
_QUOTE = ord('"')


class _Ambiguous(ValueError):
    """It can be read in more than one way, or in none."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Ambiguous
    return found


def _as_written(number: str) -> Raw:
    return Raw(number.encode())


def _refused(constant: str) -> object:
    raise _Ambiguous(constant)


_read: Callable[[str], object] = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_as_written, parse_float=_as_written, parse_constant=_refused
).decode
_write: Callable[[object], bytes] = msgspec.json.Encoder(order="sorted").encode


def _canonical(raw: Raw) -> bytes:
    """The same value in the one form that all spellings of it have."""
    return _write(_read(bytes(raw).decode()))


def without_call_meta(raw: Raw) -> Params:
    """What is in ``_meta`` beside that which is about one call."""
    members = decode_object(raw)
    if isinstance(members, Malformed):
        raise _Ambiguous
    return {name: value for name, value in members.items() if name not in _OF_THE_CALL and not name.startswith(_OURS)}


def _digest(call: Call) -> bytes | None:
    params = call.params
    if not _OWN_KIND.isdisjoint(params) or sum(map(len, params.values())) > LARGEST:
        return None
    parts = [call.method.encode()]
    try:
        for name in sorted(params):
            raw = params[name]
            if name == "_meta":
                meta = without_call_meta(raw)
                parts += [part for key in sorted(meta) for part in (b"_meta", key.encode(), _canonical(meta[key]))]
            else:
                parts += (name.encode(), bytes(raw) if memoryview(raw)[0] == _QUOTE else _canonical(raw))
    except (ValueError, RecursionError):  # undecodable text included
        return None
    return blake2b(b"".join([b"%d:%b" % (len(part), part) for part in parts]), digest_size=32).digest()


@attrs.define(eq=False, repr=False)
class RequestKeys:
    """Makes keys of the requests to one backend, once for all who ask about the same request one after the other."""

    _params: Params | None = attrs.field(default=None, init=False)
    _found: bytes | None = attrs.field(default=None, init=False)

    def of(self, call: Call, *beside: str) -> bytes | None:
        """Its key; None where it is like no other.

        Args:
            call: under the backend's own name.
            beside: what else two requests must have in common.
        """
        found = self.of_params(call)
        if found is None:
            return None
        hashed = blake2b(found, digest_size=32)
        for word in beside:
            part = word.encode(errors="surrogatepass")
            hashed.update(b"%d:" % len(part))
            hashed.update(part)
        return hashed.digest()

    def of_params(self, call: Call) -> bytes | None:
        """The key of its method and parameters alone: for who keeps it in this process, with whatever else there must be in common beside it."""
        if call.params is not self._params:
            self._found = _digest(call)
            self._params = None if self._found is None else call.params
        return self._found
