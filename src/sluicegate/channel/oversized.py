"""What a client is told about a line that is too long to be read."""

from __future__ import annotations

from ..protocol.errors import INVALID_REQUEST
from ..protocol.messages import Request, decode, encode, encode_error
from .lines import Oversized

__all__ = ["refuse_oversized"]


def refuse_oversized(line: Oversized, limit: int) -> bytes:
    """The refusal, under the request's own id where one end of the line shows it."""
    shown = None if line.is_answer else decode(b'{"jsonrpc":"2.0","id":%b,"method":"-"}' % (line.id or b"null"))
    message = f"a message of {line.size} bytes exceeds the maximum size of {limit} bytes"
    return encode_error(shown.id if isinstance(shown, Request) else b"null", encode({"code": INVALID_REQUEST, "message": message}))
