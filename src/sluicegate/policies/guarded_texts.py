"""What must not pass is looked for in the texts of a JSON document, and nothing but what is found is changed.

A document is read text by text as it stands in its bytes: numbers, blanks and the order of members stay what they were. Texts are looked at
as they are meant, so no escape hides anything. Names of members are no texts in this sense. What stands under ``data`` or ``blob``, is long and
has no letters but those of base64 is an image or the like, which chance would spoil; everything else there is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Protocol, cast

import attrs
import trio

__all__ = ["KNOWN_FORMS", "REDACTED", "Found", "TextGuard"]

REDACTED = "[redacted]"
KNOWN_FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,]|-[A-Za-z0-9])*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,})",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\bsk-[A-Za-z0-9_-]{20,}",
    r"\bAIza[0-9A-Za-z_-]{35}",
)
"""Keys by which they are known: of RFC 7468, signed tokens (RFC 7519), and of some that many have."""
PIECE = 64 * 1024
"""Bytes of a document that are looked at without letting others go on."""
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?', re.DOTALL)  # nothing is tried twice, else a text of mebibytes takes seconds
_BYTES = frozenset({b'"data"', b'"blob"'})
_LONG = 1024
"""Bytes that are no key, if all of them may be base64."""
_BASE64 = re.compile(rb'"[A-Za-z0-9+/=]*+"')


class _Pattern(Protocol):
    def search(self, text: str) -> object | None: ...

    def sub(self, replacement: str, text: str) -> str: ...


@attrs.frozen
class Found:
    """What became of one document."""

    document: bytes
    """With what was found replaced."""
    texts: int
    """In which something was found."""


@attrs.frozen(eq=False, repr=False, init=False)
class TextGuard:
    """Looks for some expressions at once."""

    _pattern: _Pattern

    def __init__(self, expressions: Iterable[str]) -> None:
        import re2  # type: ignore[import-untyped]  # 5 ms and 3 MiB, which only those pay who use it

        options = re2.Options()
        options.log_errors = False
        self.__attrs_init__(cast("_Pattern", re2.compile("|".join(f"(?:{one})" for one in expressions), options)))

    async def look_through(self, document: bytes) -> Found | None:
        """What was found; None if there was nothing."""
        parts: list[bytes] = []
        done = texts = 0
        next_turn, name = PIECE, b""
        for text in _TEXT.finditer(document):
            if text.start() > next_turn:
                await trio.lowlevel.checkpoint()
                next_turn = text.start() + PIECE
            if text[1] is not None:
                name = document[text.start() : text.end() - len(text[1])]
                continue
            is_bytes = name in _BYTES and len(text[0]) > _LONG and _BASE64.fullmatch(text[0]) is not None
            name = b""
            clean = None if is_bytes else self._clean(text[0])
            if clean is not None:
                parts += [document[done : text.start()], clean]
                done, texts = text.end(), texts + 1
        return Found(b"".join([*parts, document[done:]]), texts) if texts else None

    def _clean(self, literal: bytes) -> bytes | None:
        """A text without what was found; None if there was nothing."""
        try:
            text = json.loads(literal) if b"\\" in literal else literal[1:-1].decode()
            if self._pattern.search(text) is None:
                return None
            return json.dumps(self._pattern.sub(REDACTED, text), ensure_ascii=False).encode(errors="backslashreplace")
        except UnicodeEncodeError:  # half a character: its like is no text for RE2, and what is around it is looked at
            return self._clean(json.dumps(text.encode(errors="replace").decode()).encode())
