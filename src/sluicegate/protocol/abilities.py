"""What a client can be asked, and whether it shows views, as far as a server may offer other things for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .extensions import APPS, declared_by
from .messages import Malformed, Params, decode_object

__all__ = ["NONE", "abilities_of"]

NONE = ""
"""Nothing: what a session declares that many clients share."""

_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType({"elicitation": ("form", "url"), "roots": (), "sampling": ("context", "tools")})
"""What a revision of the protocol defines. Whatever else a client writes there makes it no client of another kind, else there were no end of kinds."""


def abilities_of(capabilities: Params) -> str:
    """In words, the same for all clients that can be asked the same: ``elicitation.form roots``. There are 80 of them in all."""
    words = [word for name, parts in _PARTS.items() if name in capabilities for word in _words(name, parts, capabilities)]
    return " ".join([*words, "views"] if APPS in declared_by(capabilities, "extensions") else words)


def _words(name: str, parts: tuple[str, ...], capabilities: Params) -> list[str]:
    members = decode_object(capabilities[name])
    known = [] if isinstance(members, Malformed) else [f"{name}.{part}" for part in parts if part in members]
    if name == "elicitation":
        return known or ["elicitation.form"]  # who names no mode takes forms
    return [name, *known]
