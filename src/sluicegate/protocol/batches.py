"""Several messages in one array; only 2025-03-26 knows them (P-22)."""

from __future__ import annotations

import msgspec

from .errors import INVALID_REQUEST, PARSE_ERROR
from .messages import Malformed, Raw

__all__ = ["decode_batch", "is_batch"]

_array = msgspec.json.Decoder(list[Raw])


def is_batch(data: bytes) -> bool:
    """Whether the message is an array; only 2025-03-26 knows those (P-22)."""
    return data[:64].lstrip()[:1] == b"["


def decode_batch(data: bytes) -> list[Raw] | Malformed:
    """The members of a batch, each still unread."""
    try:
        data.decode()
        members = _array.decode(data)
    except UnicodeDecodeError:
        return Malformed(PARSE_ERROR, "the message is not valid UTF-8")
    except RecursionError:
        return Malformed(PARSE_ERROR, "the message is nested too deeply")
    except msgspec.DecodeError as error:
        return Malformed(PARSE_ERROR, f"not valid JSON: {error}")
    return members or Malformed(INVALID_REQUEST, "a batch must not be empty")
