"""The pattern language of expose and hide lists (CFG-130, CFG-131).

``re:`` starts a regular expression in the syntax of RE2 that is searched for. Everything else is a glob over the whole name: ``*`` and ``?``
stop at a slash, ``**`` does not, ``**/`` may also match nothing, ``[a-z]``, ``[!x]``, ``{a,b}``, a backslash takes the next character as it
is, and a leading ``!`` turns the whole pattern round. Both take time in proportion to the length of the name, whatever the pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from .automata import Automaton, NotLinear, automaton

__all__ = ["BadPattern", "Pattern", "PatternList"]


class BadPattern(ValueError):
    """A pattern that cannot be read; the message shows it and says why."""


@attrs.frozen(repr=False)
class Pattern:
    """One pattern, understood."""

    text: str
    exact: str | None
    """The only name that it fits, where it has no wild cards; else there is an expression."""
    expression: str = ""
    """Searched for, in the syntax of RE2."""
    is_glob: bool = True
    negated: bool = False

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises `BadPattern`."""
        if text.startswith("re:"):
            return _tried(cls(text, None, text[3:], is_glob=False))
        glob = text.lstrip("!")
        return cls._of_glob(text, glob, negated=(len(text) - len(glob)) % 2 == 1)

    @classmethod
    def _of_glob(cls, text: str, glob: str, *, negated: bool) -> Pattern:
        return _tried(_Translation(text, glob).pattern(negated=negated))

    def matches(self, name: str) -> bool:
        """Whether a name fits."""
        return PatternList.of([self]).fits(name) is not self.negated

    def rewritten(self, rewrite: Callable[[str], str]) -> Pattern:
        """A glob in other words; an expression stays what it is."""
        if not self.is_glob:
            return self
        return Pattern._of_glob(
            self.text, rewrite(self.text.lstrip("!")), negated=self.negated
        )  # a scheme RE: is no expression now, either


def _tried(pattern: Pattern) -> Pattern:
    """The same; raises `BadPattern` where no automaton can be made of it."""
    if pattern.exact is None:
        try:
            automaton(pattern.expression, folds=True)  # takes more room than the same with case
        except NotLinear as error:
            kind = "glob" if pattern.is_glob else "regex"
            raise BadPattern(f"invalid {kind} in filter pattern {pattern.text!r}: {error}") from None
    return pattern


@attrs.frozen(repr=False)
class PatternList:
    """Several patterns that are tried together, negated ones as if they were not; all globs are one automaton."""

    _exact: frozenset[str]
    _folds: bool
    _automata: tuple[Automaton, ...]

    @classmethod
    def of(cls, patterns: Iterable[Pattern], *, folds: bool = False) -> PatternList:
        """Make the list ready; ``folds``: case makes no difference."""
        given = tuple(patterns)
        exact = (pattern.exact for pattern in given if pattern.exact is not None)
        globs = [pattern.expression for pattern in given if pattern.exact is None and pattern.is_glob]
        searched = [pattern.expression for pattern in given if not pattern.is_glob]
        automata = (*_joined(globs, folds=folds), *(automaton(expression, folds=folds) for expression in searched))
        return cls(frozenset(name.casefold() if folds else name for name in exact), folds, automata)

    def __bool__(self) -> bool:
        return bool(self._exact or self._automata)

    def names(self, name: str) -> bool:
        """Whether a pattern without wild cards fits."""
        return (name.casefold() if self._folds else name) in self._exact

    def fits(self, name: str) -> bool:
        """Whether any pattern fits."""
        if self.names(name):
            return True
        if not self._automata:
            return False
        text = name.encode(errors="replace")
        return any(one.search(text) is not None for one in self._automata)


def _joined(globs: list[str], *, folds: bool) -> list[Automaton]:
    """One automaton for all globs; one for each where all together are too large."""
    try:
        return [automaton("|".join(globs), folds=folds)] if globs else []
    except NotLinear:
        return [automaton(glob, folds=folds) for glob in globs]


@attrs.define(repr=False)
class _Translation:
    """A glob on its way to an expression."""

    text: str
    glob: str
    at: int = 0
    depth: int = 0
    literal: list[str] | None = attrs.field(factory=list)
    """The characters so far, as long as each stands for itself."""

    def pattern(self, *, negated: bool) -> Pattern:
        parts: list[str] = []
        while self.at < len(self.glob):
            parts.append(self._next())
        if self.depth:
            raise self._bad("a '{' is never closed")
        if self.literal is not None:
            return Pattern(self.text, "".join(self.literal), negated=negated)
        return Pattern(self.text, None, rf"\A(?s:{''.join(parts)})\z", negated=negated)

    def _bad(self, why: str) -> BadPattern:
        return BadPattern(f"invalid glob in filter pattern {self.text!r}: {why}")

    def _next(self) -> str:
        char = self.glob[self.at]
        self.at += 1
        if char == "\\":
            return self._itself(self._escaped())
        if char in "*?[" or char == "{" or (char in ",}" and self.depth):
            self.literal = None
            return self._wild(char)
        return self._itself(char)

    def _itself(self, char: str) -> str:
        if self.literal is not None:
            self.literal.append(char)
        return _quoted(char)

    def _wild(self, char: str) -> str:
        match char:
            case "*":
                return self._star()
            case "?":
                return "[^/]"
            case "[":
                return self._set()
            case ",":
                return "|"
            case "{":
                self.depth += 1
                return "(?:"
        self.depth -= 1
        return ")"

    def _star(self) -> str:
        starts_part = self.at == 1 or self.glob[self.at - 2] == "/"
        if not self.glob.startswith("*", self.at):
            return "[^/]*"
        while self.glob.startswith("*", self.at):
            self.at += 1
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
        """A set of characters and ranges; a ``]`` that comes first is one of them."""
        negated = self.glob[self.at : self.at + 1] in ("!", "^")
        self.at += negated
        members: list[str] = []
        while not (members and self.glob.startswith("]", self.at)):
            members.append(self._member())
        self.at += 1
        return f"[{'^' if negated else ''}{''.join(members)}]"

    def _member(self) -> str:
        first = last = self._set_char()
        if self.glob.startswith("-", self.at) and self.glob[self.at + 1 : self.at + 2] not in ("", "]"):
            self.at += 1
            last = self._set_char()
        if last < first:
            raise self._bad(f"bad character range {first}-{last}")
        return _quoted(first) if first == last else f"{_quoted(first)}-{_quoted(last)}"

    def _set_char(self) -> str:
        if self.at >= len(self.glob):
            raise self._bad("a '[' is never closed")
        char = self.glob[self.at]
        self.at += 1
        return self._escaped() if char == "\\" else char


def _quoted(char: str) -> str:
    """A character that stands for itself, anywhere in an expression."""
    return rf"\x{{{ord(char):x}}}" if char.isascii() else char
