"""Ids and progress tokens of our own in the place of somebody else's, so that they are unique on a shared way, and back again (P-21, P-120)."""

from __future__ import annotations

from .members import Malformed, Params, Raw, decode_object, is_null
from .messages import encode, read_id

__all__ = ["NOBODY", "NO_TOKEN", "own_key", "own_number", "progress_token", "wanted_token", "with_own_token", "without_token"]

NO_TOKEN = Raw(b"")
NOBODY = -1
"""The number of no call."""
LONGEST_NUMBER = 18
"""Digits of an id or token that may be one of ours."""


def own_number(digits: bytes) -> int:
    """A number that may be one of ours, else `NOBODY`."""
    if len(digits) > LONGEST_NUMBER:
        return NOBODY
    number = int(digits) if digits.isdigit() else read_id(digits)
    return number if isinstance(number, int) else NOBODY


def own_key(key: int | str | None) -> int:
    """The id of ours that an answer means, else `NOBODY`; some servers answer 7 with ``"7"`` (CORE-69)."""
    if isinstance(key, str):
        return own_number(key.encode())
    return NOBODY if key is None else key


def with_own_token(params: Params, number: int) -> tuple[Params, Raw | None]:
    """The parameters with the progress token replaced by our own, unique on the shared channel, and the caller's token (P-120).

    Metadata and a token that are null say nothing, and are left out: there are servers that drop such a request without an answer (P-25).
    """
    if "_meta" not in params:
        return params, None
    if is_null(params["_meta"]):
        return {key: raw for key, raw in params.items() if key != "_meta"}, None
    meta, token = progress_token(params)
    if token is NO_TOKEN:
        return params, None
    if is_null(token):
        return params | {"_meta": Raw(encode({key: raw for key, raw in meta.items() if key != "progressToken"}))}, None
    return params | {"_meta": Raw(encode(meta | {"progressToken": Raw(b"%d" % number)}))}, token


def progress_token(params: Params) -> tuple[Params, Raw]:
    """The members of ``_meta``, and the progress token among them, which is empty where there is none."""
    meta = decode_object(params["_meta"]) if "_meta" in params else {}
    if isinstance(meta, Malformed):
        return {}, NO_TOKEN
    return meta, meta.get("progressToken", NO_TOKEN)


def wanted_token(params: Params) -> bytes:
    """The token under which a caller wants to hear how far its call is; empty where it does not, as where it says null (P-25)."""
    if "_meta" not in params:
        return b""
    token = bytes(progress_token(params)[1])
    return b"" if is_null(Raw(token)) else token


def without_token(meta: Raw) -> Raw:
    """Metadata without its progress token: for a copy that tells nobody how far it is."""
    members: Params | Malformed = decode_object(meta)
    if isinstance(members, Malformed) or "progressToken" not in members:
        return meta
    return Raw(encode({key: raw for key, raw in members.items() if key != "progressToken"}))
