"""JSON-RPC envelopes: decoded one level deep, everything below kept as raw bytes.

The envelope is a dict of raw members (msgspec ``Raw``), so numbers, nulls and unknown members pass through untouched. A level that is
read for a decision is always encoded again from what was read: a key that came twice, or escaped, cannot say one thing to us and another
to a backend. Keys that collide with a read key by case alone are refused, because the peer may fold case where we do not.
"""

from __future__ import annotations

import re

import msgspec

from .errors import INVALID_REQUEST, PARSE_ERROR
from .keys import ENVELOPE, NESTED, PARAMS, collision

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

Raw = msgspec.Raw
Params = dict[str, Raw]
"""The raw members of one object level."""

EMPTY = Raw(b"{}")

_object = msgspec.json.Decoder(dict[str, Raw])
_any = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()

_INTEGER = re.compile(rb"-?(0|[1-9][0-9]*)\Z")
_LONGEST_ID = 1024


# Made for every message, so they are structs: their `__init__` is C, and takes a quarter of the time of a frozen class of attrs.


class Request(msgspec.Struct, frozen=True):
    """A call. ``id`` is the id exactly as it came; ``key`` is its value (``7`` and ``"7"`` differ)."""

    id: bytes
    key: int | str
    method: str
    params: Params
    extras: Params
    """Members of the envelope that JSON-RPC does not know; passed on (P-25)."""


class Notification(msgspec.Struct, frozen=True):
    """A message that nobody answers."""

    method: str
    params: Params
    extras: Params


class Response(msgspec.Struct, frozen=True):
    """An answer: exactly one of ``result`` and ``error`` is there. ``key`` is None for an error about an unreadable request."""

    key: int | str | None
    result: Raw | None
    error: Raw | None
    extras: Params


class Malformed(msgspec.Struct, frozen=True):
    """What cannot be read, as the JSON-RPC error that says why."""

    code: int
    message: str
    id: bytes = b"null"


Message = Request | Notification | Response | Malformed


def decode(data: bytes) -> Message:
    """Read one message; never raises."""
    members = decode_object(data)
    if isinstance(members, Malformed):
        return members
    raw_id = None if (raw := members.get("id")) is None else bytes(raw)
    key = None if raw_id is None else read_id(raw_id)
    own_id = b"null" if raw_id is None or key is None else raw_id
    method = None if (raw := members.get("method")) is None else text(raw) or ""
    extras = {} if members.keys() <= ENVELOPE.exact else {name: raw for name, raw in members.items() if name not in ENVELOPE.exact}
    if wrong := _wrong_envelope(members, extras, method):
        return Malformed(INVALID_REQUEST, wrong, own_id)
    if method is None:
        return _decode_response(members, own_id, key, extras)
    params = _decode_params(members.get("params"))
    if isinstance(params, str):
        return Malformed(INVALID_REQUEST, params, own_id)
    if raw_id is None:
        return Notification(method, params, extras)
    if key is None:
        return Malformed(INVALID_REQUEST, '"id" must be a string or an integer, never null', own_id)
    return Request(own_id, key, method, params, extras)


def _wrong_envelope(members: Params, extras: Params, method: str | None) -> str | None:
    """What is wrong with the envelope itself."""
    if extras and (clash := collision(extras.keys(), ENVELOPE)):
        return clash
    if bytes(members.get("jsonrpc", b"")) != b'"2.0"':
        return 'member "jsonrpc" must be "2.0"'
    if method is not None:
        if not method:
            return '"method" must be a string that is not empty'
        if "result" in members or "error" in members:
            return "a message is a request or a response, not both"
    return None


def _decode_response(members: Params, own_id: bytes, key: int | str | None, extras: Params) -> Message:
    result, error = members.get("result"), members.get("error")
    unnamed = bytes(members.get("id", b"null")) == b"null"
    if (result is None) == (error is None):
        return Malformed(INVALID_REQUEST, 'a message has a "method", or exactly one of "result" and "error"', own_id)
    if key is None and (error is None or not unnamed):  # an error about what could not be read has no id
        return Malformed(INVALID_REQUEST, '"id" must be a string or an integer', own_id)
    return Response(key, result, error, extras)


def _decode_params(raw: Raw | None) -> Params | str:
    if raw is None or bytes(raw) == b"null":
        return {}
    try:
        params = _object.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return '"params" must be an object'
    clash = collision(params.keys(), PARAMS)
    for key, known in NESTED.items():
        if key in params and clash is None:
            members = decode_object(params[key])
            clash = None if isinstance(members, Malformed) else collision(members.keys(), known)
    return clash or params


def decode_object(data: bytes | Raw) -> Params | Malformed:
    """The members of one JSON object, or why there are none."""
    try:
        if not isinstance(data, Raw) and not data.isascii():
            data.decode()
        return _object.decode(data)
    except UnicodeDecodeError:
        return Malformed(PARSE_ERROR, "the message is not valid UTF-8")
    except RecursionError:
        return Malformed(PARSE_ERROR, "the message is nested too deeply")
    except msgspec.ValidationError:
        return Malformed(INVALID_REQUEST, "a message must be a JSON object")
    except msgspec.DecodeError as error:
        return Malformed(PARSE_ERROR, f"not valid JSON: {error}")


def read_id(raw: bytes) -> int | str | None:
    """The value of an id, or None if it is neither text nor an integer."""
    if len(raw) > _LONGEST_ID:
        return None
    if raw[:1] == b'"':
        return text(Raw(raw))
    return int(raw) if _INTEGER.match(raw) else None


def text(raw: Raw | None) -> str | None:
    """The string that a raw member holds, or None if it is no string."""
    if raw is None:
        return None
    try:
        value = _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def read_text(params: Params, key: str) -> str | None:
    """The string under ``key``, or None if it is missing or no string."""
    return text(params.get(key))


def encode(value: object) -> bytes:
    """Compact JSON; raw members are copied as they are."""
    return _encoder.encode(value)


# Where a message may be large it is joined: formatting a mebibyte takes half a millisecond more.


def encode_request(id: int, method: str, params: Params, extras: Params | None = None) -> bytes:
    """A request under our own id."""
    tail = _tail(extras)
    if not params:
        return b'{"jsonrpc":"2.0","id":%d,"method":%b%b}' % (id, encode(method), tail)
    return b"".join((b'{"jsonrpc":"2.0","id":%d,"method":' % id, encode(method), b',"params":', encode(params), tail, b"}"))


def encode_notification(method: str, params: Params, extras: Params | None = None) -> bytes:
    """A notification."""
    tail = _tail(extras)
    if not params:
        return b'{"jsonrpc":"2.0","method":%b%b}' % (encode(method), tail)
    return b'{"jsonrpc":"2.0","method":%b,"params":%b%b}' % (encode(method), encode(params), tail)


def encode_result(id: bytes, result: bytes | Raw, extras: Params | None = None) -> bytes:
    """A successful answer under the caller's own id."""
    before, after = around_result(id, extras)
    return b"".join((before, result, after))


def around_result(id: bytes, extras: Params | None = None) -> tuple[bytes, bytes]:
    """What stands before and after the result of a successful answer."""
    return b'{"jsonrpc":"2.0","id":%b,"result":' % id, _tail(extras) + b"}"


def encode_error(id: bytes, error: bytes | Raw, extras: Params | None = None) -> bytes:
    """A failed answer under the caller's own id; ``error`` is the whole error object."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b%b}' % (id, error, _tail(extras))


def _tail(extras: Params | None) -> bytes:
    return b"," + encode(extras)[1:-1] if extras else b""


def compact(message: bytes) -> bytes:
    """The same message on one line, for stdio (P-31); JSON has line breaks only between tokens."""
    return message.translate(None, b"\r\n") if b"\n" in message or b"\r" in message else message
