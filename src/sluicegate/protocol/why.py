"""Why something failed, for two readers: what any caller may be told, and what only the operator may.

What a backend writes, where its program is looked for, what an error page says: such things may hold the secrets of another caller, of the
backend or of this machine. So a plain text is the operator's, and what callers may read has to be given as such.
"""

from __future__ import annotations

import attrs

__all__ = ["Why"]


@attrs.frozen
class Why:
    """A reason; its ``str`` is the operator's."""

    public: str
    """In our own words, with exit statuses and numbers at most; may be empty."""
    operator: str = attrs.field(default=attrs.Factory(lambda self: self.public, takes_self=True))
    """The whole of it."""

    @classmethod
    def of(cls, given: Why | str, public: str = "") -> Why:
        """A reason as it is, or a plain text as one that callers are told no more of than ``public``."""
        return given if isinstance(given, Why) else cls(public, given)

    def after(self, words: str) -> Why:
        """The same reason behind words of our own."""
        return Why(_joined(words, self.public), _joined(words, self.operator))

    def __str__(self) -> str:
        return self.operator


def _joined(words: str, more: str) -> str:
    return f"{words}: {more}" if more else words
