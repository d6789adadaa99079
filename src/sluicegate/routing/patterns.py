"""The pattern language of expose and hide lists (CFG-130, CFG-131).

``re:`` starts a regular expression that is searched for; it is Python's own, so an operator who writes one that backtracks badly pays for
it. Everything else is a glob over the whole name: ``*`` and ``?`` stop at a slash, ``**`` does not, ``**/`` may also match nothing,
``[a-z]``, ``[!x]``, ``{a,b}``, a backslash takes the next character as it is, and a leading ``!`` turns the whole pattern round.
"""

from __future__ import annotations

import re

import attrs

__all__ = ["BadPattern", "Pattern"]


class BadPattern(ValueError):
    """A pattern that cannot be read; the message shows it and says why."""


@attrs.frozen
class Pattern:
    """One pattern, ready to use."""

    text: str
    _regex: re.Pattern[str]
    _whole: bool
    _negated: bool = False

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises `BadPattern`."""
        if text.startswith("re:"):
            try:
                return cls(text, re.compile(text[3:]), whole=False)
            except (re.error, RecursionError, OverflowError) as error:
                raise BadPattern(f"invalid regex in filter pattern {text!r}: {error}") from None
        glob = text.lstrip("!")
        negated = (len(text) - len(glob)) % 2 == 1
        return cls(text, re.compile(_Translation(text, glob).run(), re.DOTALL), whole=True, negated=negated)

    def matches(self, name: str) -> bool:
        """Whether a name fits."""
        if self._whole:
            return (self._regex.fullmatch(name) is not None) is not self._negated
        return self._regex.search(name) is not None


@attrs.define
class _Translation:
    """A glob on its way to a regular expression."""

    text: str
    glob: str
    at: int = 0
    depth: int = 0

    def run(self) -> str:
        parts: list[str] = []
        while self.at < len(self.glob):
            parts.append(self._next())
        if self.depth:
            raise self._bad("a '{' is never closed")
        return "".join(parts)

    def _bad(self, why: str) -> BadPattern:
        return BadPattern(f"invalid glob in filter pattern {self.text!r}: {why}")

    def _next(self) -> str:
        char = self.glob[self.at]
        self.at += 1
        if char == "*":
            return self._star()
        if char == "?":
            return "[^/]"
        if char == "[":
            return self._set()
        if char == "\\":
            return re.escape(self._escaped())
        return self._brace(char)

    def _brace(self, char: str) -> str:
        if char == "{":
            self.depth += 1
            return "(?:"
        if char == "," and self.depth:
            return "|"
        if char == "}" and self.depth:
            self.depth -= 1
            return ")"
        return re.escape(char)

    def _star(self) -> str:
        starts_part = self.at == 1 or self.glob[self.at - 2] == "/"
        stars = len(self.glob) - self.at - len(self.glob[self.at :].lstrip("*"))
        self.at += stars
        if not stars:
            return "[^/]*"
        if starts_part and self.glob.startswith("/", self.at):
            self.at += 1
            return "(?:.*/)?"
        return ".*"

    def _escaped(self) -> str:
        if self.at >= len(self.glob):
            raise self._bad("it ends with a backslash")
        self.at += 1
        return self.glob[self.at - 1]

    def _set(self) -> str:
        """A set of characters, with every one of them escaped; a ``]`` that comes first is one of them."""
        negated = self.glob[self.at : self.at + 1] in ("!", "^")
        self.at += negated
        members: list[str] = []
        while not (members and self.glob.startswith("]", self.at)):
            if self.at >= len(self.glob):
                raise self._bad("a '[' is never closed")
            members.append(self._member(first=not members))
        self.at += 1
        return self._checked(f"[{'^' if negated else ''}{''.join(members)}]")

    def _member(self, *, first: bool) -> str:
        char = self.glob[self.at]
        self.at += 1
        if char == "\\":
            return re.escape(self._escaped())
        is_range = char == "-" and not first and self.glob[self.at : self.at + 1] not in ("", "]")
        return char if is_range else re.escape(char)

    def _checked(self, regex: str) -> str:
        try:
            re.compile(regex)
        except re.error as error:
            raise self._bad(str(error)) from None
        return regex
