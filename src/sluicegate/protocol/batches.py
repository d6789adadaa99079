"""Several messages in one array; only 2025-03-26 knows them (P-22)."""

from __future__ import annotations

import msgspec

from .eras import OPENS
from .errors import INVALID_REQUEST, PARSE_ERROR
from .members import decode_array, no_json
from .messages import Malformed, Message, Raw, Request, decode

__all__ = ["MOST_MEMBERS", "decode_batch", "is_batch", "read_batch"]

MOST_MEMBERS = 256
"""Members that a batch may have: a few bytes each could otherwise make a long work and an answer many times as large."""
MOST_BYTES = 1024 * 1024
"""Bytes of a batch, whatever is in it."""


def is_batch(data: bytes) -> bool:
    """Whether the message is an array; only 2025-03-26 knows those (P-22)."""
    return data[:64].lstrip()[:1] == b"["


def decode_batch(data: bytes) -> list[Raw] | Malformed:
    """The members of a batch, each still unread."""
    if len(data) > MOST_BYTES:
        return Malformed(INVALID_REQUEST, f"a batch of {len(data)} bytes is too large; send its messages one by one")
    try:
        data.decode()
        members = decode_array(Raw(data))
    except UnicodeDecodeError:
        return Malformed(PARSE_ERROR, "the message is not valid UTF-8")
    except RecursionError:
        return Malformed(PARSE_ERROR, "the message is nested too deeply")
    except msgspec.DecodeError as error:
        return no_json(data, error)
    if len(members) > MOST_MEMBERS:
        return Malformed(INVALID_REQUEST, f"a batch of more than {MOST_MEMBERS} messages is too large; send them in several, or one by one")
    return members or Malformed(INVALID_REQUEST, "a batch must not be empty")


def read_batch(data: bytes) -> list[Message] | Malformed:
    """The messages of a client's batch, those that cannot be read among them; ``initialize`` must stand alone."""
    members = decode_batch(data)
    if isinstance(members, Malformed):
        return members
    return [_alone(decode(bytes(member))) for member in members]


def _alone(message: Message) -> Message:
    if isinstance(message, Request) and message.method in OPENS:
        return Malformed(INVALID_REQUEST, '"initialize" must not be part of a batch', message.id)
    return message
