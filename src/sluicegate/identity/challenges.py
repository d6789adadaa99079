"""What a refusal tells a client that speaks OAuth: where to get a token, and for what (RFC 6750, section 3; RFC 9728, section 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["challenge", "is_scope"]

_REALM = "sluicegate"
_UNSAFE = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
"""What must not stand in these values, quoted or not (RFC 6750, section 3)."""
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def is_scope(text: str) -> bool:
    """Whether a text is one scope (RFC 6749, section 3.3): visible ASCII, but for the double quote and the backslash."""
    return _SCOPE.fullmatch(text) is not None


def challenge(error: str = "", description: str = "", *, scopes: Iterable[str] = (), metadata: str | None = None) -> bytes:
    """A value of ``WWW-Authenticate``.

    Args:
        error: a code of RFC 6750; none where nothing was shown at all.
        description: for whoever looks into why his client is refused.
        scopes: all that are needed, so that nobody has to ask twice (P-141).
        metadata: the URL of the document that names the authorization server.
    """
    parts = {
        "realm": _REALM,
        "error": error,
        "error_description": description,
        "scope": " ".join(scopes),
        "resource_metadata": metadata or "",
    }
    return ("Bearer " + ", ".join(f'{name}="{_UNSAFE.sub("?", value)}"' for name, value in parts.items() if value)).encode()
