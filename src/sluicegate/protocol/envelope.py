"""What nearly every message is, read in one go: its own members, and those of its parameters."""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from .members import CountedKey, Params, Raw, counting, decode_counted, plain

__all__ = ["ABSENT", "Envelope", "read_large", "read_small"]

ABSENT = Raw(b"")


class Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The members of a message. A null one is as good as none; only ids tell the two apart."""

    jsonrpc: Literal["2.0"]
    method: str | None = None
    id: Raw = ABSENT
    params: Params | None = None
    result: Raw = ABSENT
    error: Raw = ABSENT


read_small = msgspec.json.Decoder(Envelope).decode
"""Read a small message that has the protocol's own members and no others; its parameters are counted when they are there."""
_many_params = ("params", dict[CountedKey, Raw] | None, None)
_LargeEnvelope = cast(
    "type[Envelope]", msgspec.defstruct("LargeEnvelope", [_many_params], bases=(Envelope,), forbid_unknown_fields=True, gc=False)
)
_large = counting(_LargeEnvelope)


def read_large(data: bytes) -> Envelope:
    """Read a large one, and count its parameters meanwhile. Once, because to pass over four mebibytes of arguments takes 1.6 ms.

    Raises:
        TooMany: It has more parameters than we read.
        msgspec.DecodeError: It is something else, or no JSON; a `msgspec.ValidationError` if only the former is sure.
        UnicodeDecodeError: It is not UTF-8.
        RecursionError: It is nested too deeply.
    """
    if not data.isascii():
        data.decode()
    envelope = decode_counted(_large, data)
    if envelope.params is not None:
        envelope.params = plain(envelope.params)
    return envelope
