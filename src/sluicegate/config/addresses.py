"""What can go over HTTP as it is written: addresses, and the names and values of headers."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit, urlunsplit

__all__ = ["is_address", "is_header_name", "is_header_value", "is_token", "public_part"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_TOKEN = re.compile(r"[\x21-\x7e]+")


def is_address(text: str, schemes: Collection[str] = ("http", "https")) -> bool:
    """Whether a text is a URL of one of the schemes, with a host and no impossible port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0) and not re.search(r"\s", text)
    except ValueError:
        return False


def public_part(url: str) -> str:
    """A URL without what may be a secret in it: user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_header_name(text: str) -> bool:
    """Whether a text can name a header."""
    return _NAME.fullmatch(text) is not None


def is_header_value(text: str) -> bool:
    """Whether a text is one line of Latin letters without spaces around it."""
    return _VALUE.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Whether a text can be sent as a bearer token."""
    return _TOKEN.fullmatch(text) is not None
