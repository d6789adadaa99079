"""JSON-RPC envelopes: decoded one level deep, everything below kept as raw bytes.

An envelope holds the protocol's own members and no others: those are left out on the way, because servers and clients in the wild drop a
message that has any, without an answer (P-25). Parameters are a dict of raw members (msgspec ``Raw``), so numbers, nulls and unknown members
pass through untouched. A level that is read for a decision is always encoded again from what was read: a key that came twice, or escaped,
cannot say one thing to us and another to a backend. Keys that collide with a read key by case alone are refused, because the peer may fold
case where we do not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from .ahead import MANY_PARAMS, crowded_ahead, crowded_object
from .envelope import ABSENT, Envelope, read_large, read_small
from .errors import INVALID_REQUEST
from .ids import read_id
from .keys import ENVELOPE, NESTED, PARAMS, collision
from .members import MOST_MEMBERS, SMALL, TOO_MANY, Malformed, Params, Raw, TooMany, decode_object, is_null, no_json, read_text, text

__all__ = [
    "EMPTY",
    "Malformed",
    "Message",
    "Notification",
    "Params",
    "Raw",
    "Request",
    "Response",
    "around_result",
    "compact",
    "decode",
    "decode_object",
    "encode",
    "encode_error",
    "encode_notification",
    "encode_request",
    "encode_result",
    "read_id",
    "read_text",
    "text",
]

EMPTY = Raw(b"{}")

encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
"""Compact JSON; raw members are copied as they are."""
SHORT_ID = 18
"""Digits of an id as nearly all are: for these no function is needed."""
LONGEST_SAME = 512
"""Bytes of an object in the parameters that may come again as it is."""


# Made for every message, so they are structs: their `__init__` is C, and takes a quarter of the time of a frozen class of attrs.


class Request(msgspec.Struct, frozen=True):
    """A call. ``id`` is the id exactly as it came; ``key`` is its value (``7`` and ``"7"`` differ)."""

    id: bytes
    key: int | str
    method: str
    params: Params


class Notification(msgspec.Struct, frozen=True):
    """A message that nobody answers."""

    method: str
    params: Params


class Response(msgspec.Struct, frozen=True):
    """An answer: exactly one of ``result`` and ``error`` is there. ``key`` is None for an error about an unreadable request."""

    key: int | str | None
    result: Raw | None
    error: Raw | None


Message = Request | Notification | Response | Malformed


def decode(data: bytes) -> Message:
    """Read one message; never raises."""
    try:
        if len(data) > SMALL:
            envelope = read_large(data)
        else:
            if not data.isascii():
                data.decode()
            envelope = read_small(data)
    except (TooMany, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        return _decode_by_hand(data)
    except msgspec.DecodeError as error:
        return crowded_ahead(data) or no_json(data, error)
    return _read_response(envelope) if envelope.method is None else _read_call(envelope, envelope.method)


def _decode_by_hand(data: bytes) -> Message:
    """Read what has members beside those of the protocol, and say of anything else what is wrong with it."""
    members = crowded_ahead(data) or decode_object(data)
    if isinstance(members, Malformed):
        return members
    raw_id = members.get("id", ABSENT)
    params = _object_or_none(members.get("params"))
    raw_method = members.get("method")
    method = None if raw_method is None or is_null(raw_method) else text(raw_method) or ""
    wrong = collision(members.keys(), ENVELOPE) or _wrong_version(members) or (params if isinstance(params, str) else None)
    if wrong is None and not isinstance(params, str):
        envelope = Envelope("2.0", method, raw_id, params, members.get("result", ABSENT), members.get("error", ABSENT))
        return _read_response(envelope) if method is None else _read_call(envelope, method)
    return Malformed(INVALID_REQUEST, wrong or "", _own_id(raw_id))


def _wrong_version(members: Params) -> str | None:
    return None if read_text(members, "jsonrpc") == "2.0" else 'member "jsonrpc" must be "2.0"'


def _object_or_none(raw: Raw | None) -> Params | str | None:
    """The parameters, or what is wrong with them."""
    if raw is None or is_null(raw):
        return None
    params = decode_object(raw)
    if not isinstance(params, Malformed):
        return params
    return MANY_PARAMS if params.message == TOO_MANY else '"params" must be an object'


def _read_call(envelope: Envelope, method: str) -> Message:
    """A request or a notification."""
    raw_id, params = envelope.id, envelope.params or {}
    is_odd = not method or envelope.result is not ABSENT or envelope.error is not ABSENT
    if wrong := (is_odd and _wrong_request(envelope, method)) or _wrong_params(params):
        return Malformed(INVALID_REQUEST, wrong, _own_id(raw_id))
    if raw_id is ABSENT:
        return Notification(method, params)
    own_id = bytes(raw_id)
    key = int(own_id) if len(own_id) <= SHORT_ID and own_id.isdigit() else read_id(own_id)
    if key is None:
        return Malformed(INVALID_REQUEST, '"id" must be a string or an integer, never null')
    return Request(own_id, key, method, params)


def _wrong_request(envelope: Envelope, method: str) -> str | None:
    if not method:
        return '"method" must be a string that is not empty'
    result, error = envelope.result, envelope.error
    if (result is ABSENT or is_null(result)) and (error is ABSENT or is_null(error)):
        return None
    return "a message is a request or a response, not both"


def _wrong_params(params: Params) -> str | None:
    """What is wrong with the keys of the parameters, and of the objects in them that we read."""
    clash = None
    if not params.keys() <= PARAMS.exact:
        if len(params) > MOST_MEMBERS:
            return MANY_PARAMS
        clash = collision(params.keys(), PARAMS)
    if NESTED.keys().isdisjoint(params):
        return clash
    for key in NESTED:
        if key in params and clash is None:
            raw = params[key]
            is_known = memoryview(raw).nbytes <= LONGEST_SAME and b"progressToken" not in bytes(raw)
            clash = _known_clash_in(key, bytes(raw)) if is_known else _clash_in(key, raw)
    return clash


def _clash_in(key: str, raw: bytes | Raw) -> str | None:
    """What is wrong with the keys of an object in the parameters."""
    members = decode_object(raw)
    if isinstance(members, Malformed):
        return crowded_object(key) if members.message == TOO_MANY else None
    return collision(members.keys(), NESTED[key])


_known_clash_in = lru_cache(256)(_clash_in)
"""Clients without a session say the same ``_meta`` with each request, but for its progress token."""


def _read_response(envelope: Envelope) -> Message:
    result, error, raw_id = envelope.result, envelope.error, envelope.id
    if result is not ABSENT and error is not ABSENT:  # some servers always write both, the other one as null
        if is_null(error):
            error = ABSENT
        elif is_null(result):
            result = ABSENT
    own_id = bytes(raw_id)
    key = int(own_id) if len(own_id) <= SHORT_ID and own_id.isdigit() else read_id(own_id)
    if (result is ABSENT) == (error is ABSENT):
        why = 'a message has a "method", or exactly one of "result" and "error"'
        return Malformed(INVALID_REQUEST, why, _own_id(raw_id))
    if key is None and (error is ABSENT or own_id not in (b"", b"null")):  # an error about what could not be read has no id
        return Malformed(INVALID_REQUEST, '"id" must be a string or an integer')
    return Response(key, None if result is ABSENT else result, None if error is ABSENT else error)


def _own_id(raw: Raw) -> bytes:
    """The id to answer under: as it came, where it is one."""
    own_id = bytes(raw)
    return own_id if read_id(own_id) is not None else b"null"


# Where a message may be large it is joined: formatting a mebibyte takes half a millisecond more.


def encode_request(id: int, method: str, params: Params) -> bytes:
    """A request under our own id."""
    if not params:
        return b'{"jsonrpc":"2.0","id":%d,"method":%b}' % (id, encode(method))
    return b"".join((b'{"jsonrpc":"2.0","id":%d,"method":' % id, encode(method), b',"params":', encode(params), b"}"))


def encode_notification(method: str, params: Params) -> bytes:
    """A notification."""
    if not params:
        return b'{"jsonrpc":"2.0","method":%b}' % encode(method)
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (encode(method), encode(params))


def encode_result(id: bytes, result: bytes | Raw) -> bytes:
    """A successful answer under the caller's own id."""
    return b"".join((b'{"jsonrpc":"2.0","id":', id, b',"result":', result, b"}"))


def around_result(id: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the result of a successful answer."""
    return b'{"jsonrpc":"2.0","id":%b,"result":' % id, b"}"


def encode_error(id: bytes, error: bytes | Raw) -> bytes:
    """A failed answer under the caller's own id; ``error`` is the whole error object."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (id, error)


def compact(message: bytes) -> bytes:
    """The same message on one line, for stdio (P-31); JSON has line breaks only between tokens."""
    return message.translate(None, b"\r\n") if b"\n" in message or b"\r" in message else message
