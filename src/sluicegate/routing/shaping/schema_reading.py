"""The parts of a tool's ``inputSchema`` as they came, or why it cannot be rewritten."""

from __future__ import annotations

import msgspec

from ...protocol.messages import Malformed, Params, Raw, decode_object

__all__ = ["TOO_DEEP", "CannotReshape", "entries_of", "members_of", "refuse_references", "texts_of"]

TOO_DEEP = "its inputSchema is nested too deeply"


class CannotReshape(Exception):
    """Why there is no schema that says the same; for the operator."""


def members_of(raw: Raw) -> Params:
    """The members of what has to be an object."""
    members = decode_object(raw)
    if isinstance(members, Malformed):
        raise CannotReshape("its inputSchema is not well-formed")
    return members


def entries_of(raw: Raw) -> list[Raw]:
    """The entries of what has to be an array."""
    try:
        return msgspec.json.decode(raw, type=list[Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CannotReshape("its inputSchema is not well-formed") from None


def texts_of(raw: Raw) -> list[str]:
    """The texts of what has to be an array of them."""
    try:
        return msgspec.json.decode(raw, type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CannotReshape("its inputSchema is not well-formed") from None


def refuse_references(value: object, *, top: bool = False) -> None:
    """References to places that are moved: to the whole, or into it elsewhere than at its definitions."""
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str) and target[:1] in ("", "#") and not target.startswith(("#/$defs/", "#/definitions/")):
            raise CannotReshape(f"a reference to {target!r}, which would be moved")
        if not top and "$dynamicRef" in value:
            raise CannotReshape("a dynamic reference")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        refuse_references(inner)
