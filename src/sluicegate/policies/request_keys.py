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

__all__ = ["RequestKeys", "private", "without_call_meta"]

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


_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def _canonical(raw: Raw) -> Raw:
    """The same value in the one form that all spellings of it have.

    What is written again as it was has its numbers as we would write them, and no key twice; so only the order of its keys is to be changed, for
    which Python's own reader would take ten times as long.
    """
    try:
        value = _decode(raw)
        if _encode(value) == bytes(raw):
            return Raw(_write(value))
    except (msgspec.MsgspecError, OverflowError):  # a number that is too large, or half a character: those who read as it is written decide
        pass
    return Raw(_write(_read(bytes(raw).decode())))


def without_call_meta(raw: Raw) -> Params:
    """What is in ``_meta`` beside that which is about one call."""
    members = decode_object(raw)
    if isinstance(members, Malformed):
        raise _Ambiguous
    return {name: value for name, value in members.items() if name not in _OF_THE_CALL and not name.startswith(_OURS)}


def _digest(method: str, params: Params, beside: tuple[str, ...]) -> bytes | None:
    if not _OWN_KIND.isdisjoint(params) or sum(map(len, params.values())) > LARGEST:
        return None
    said: dict[str, object] = {}
    try:
        for name, raw in params.items():
            if name != "_meta":
                said[name] = raw if memoryview(raw)[0] == _QUOTE else _canonical(raw)
            elif meta := without_call_meta(raw):
                said[name] = {key: _canonical(value) for key, value in meta.items()}
        return blake2b(_write((method, beside, said)), digest_size=32).digest()
    except (ValueError, RecursionError):  # undecodable text included
        return None


@attrs.define(eq=False, repr=False)
class RequestKeys:
    """Makes keys of the requests to one backend, once for all who ask about the same one after the other: of one request, or of a crowd's."""

    _params: Params | None = attrs.field(default=None, init=False)
    _method: str = attrs.field(default="", init=False)
    _beside: tuple[str, ...] = attrs.field(default=(), init=False)
    _found: bytes | None = attrs.field(default=None, init=False)

    def of(self, method: str, params: Params, *beside: str) -> bytes | None:
        """The key of a request; None where it is like no other.

        Args:
            method: of the request.
            params: those that the backend is to get.
            beside: what else two requests must have in common.
        """
        if method != self._method or beside != self._beside or params != self._params:
            self._found = _digest(method, params, beside)
            self._params, self._method, self._beside = None if self._found is None else params, method, beside
        return self._found


def private(key: bytes, call: Call) -> bytes:
    """The key under which its principal alone finds it."""
    return blake2b(key + call.caller.principal.key.encode(errors="surrogatepass"), digest_size=32).digest()
