"""HTTP headers of the Streamable HTTP transport: their names, and how their values are read and written."""

from __future__ import annotations

import base64
import re

__all__ = [
    "EVENT_STREAM",
    "JSON",
    "LAST_EVENT_ID",
    "LONGEST_SESSION_ID",
    "METHOD",
    "NAME",
    "PROTOCOL_VERSION",
    "SESSION_ID",
    "accepts",
    "is_header_name",
    "is_header_value",
    "is_scope",
    "is_session_id",
    "is_token",
    "media_type",
    "safe_value",
]

SESSION_ID = "mcp-session-id"
PROTOCOL_VERSION = "mcp-protocol-version"
METHOD = "mcp-method"
NAME = "mcp-name"
LAST_EVENT_ID = "last-event-id"

JSON = "application/json"
EVENT_STREAM = "text/event-stream"

LONGEST_SESSION_ID = 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def media_type(content_type: str) -> str:
    """The media type alone, in lower case: ``application/json`` for ``Application/JSON; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()


def accepts(accept: str, media: str) -> bool:
    """Whether an ``Accept`` header admits the media type; ranges count, ``q=0`` refuses (P-42). The most specific range decides."""
    said: dict[str, bool] = {}
    for part in accept.split(","):
        name, _, parameters = part.partition(";")
        said.setdefault(name.strip().lower(), not _refused(parameters))
    kind = media.partition("/")[0]
    return next((said[name] for name in (media, f"{kind}/*", "*/*") if name in said), False)


def _refused(parameters: str) -> bool:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            return value.strip() in {"0", "0.0", "0.00", "0.000", "0."}
    return False


def is_header_name(text: str) -> bool:
    """Whether a text can name a header."""
    return _NAME.fullmatch(text) is not None


def is_header_value(text: str) -> bool:
    """Whether a text is one line of Latin letters without spaces around it."""
    return _VALUE.fullmatch(text) is not None


def is_scope(text: str) -> bool:
    """Whether a text is one scope of OAuth (RFC 6749, section 3.3): visible ASCII, but for the double quote and the backslash."""
    return _SCOPE.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Whether a text can be sent as a bearer token."""
    return _VISIBLE.fullmatch(text) is not None


def is_session_id(value: str) -> bool:
    """Whether it is visible ASCII, as session ids must be (P-60)."""
    return len(value) <= LONGEST_SESSION_ID and is_token(value)


def safe_value(text: str) -> str:
    """The text as a header value: itself where that is safe, else in the ``=?base64?…?=`` form (P-45)."""
    plain = all(" " <= char <= "~" for char in text) and text == text.strip() and not text.startswith("=?base64?")
    return text if plain else f"=?base64?{base64.b64encode(text.encode()).decode()}?="
