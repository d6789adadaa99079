"""Known secrets are blotted out of what was written by others, before an operator reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

__all__ = ["MOST_SHOWN", "Blot", "Blotting", "blotting", "shown", "unblotted"]

Blot = Callable[[str], str]
"""The same text without the secrets in it."""

HIDDEN = "***"
SHORTEST = 6
"""Characters; a shorter secret would blot words that are none, and can be guessed anyway."""
LETTERS_SHARED = 3
"""How many letters are looked at before single secrets are; less than the shortest has."""
SHORTEST_LINE = 16
"""Characters of one line of a key that has several."""


MOST_SHOWN = 16 * 1024
"""Characters of a text that an operator is shown: peers write texts of any length."""


def unblotted(text: str) -> str:
    """For where nothing is secret."""
    return text


def blotting(secrets: Iterable[str]) -> Blot:
    """What takes these secrets out of a text, however they are escaped in it."""
    forms = {form for secret in secrets for piece in _pieces(secret) for form in _forms(piece)}
    if not forms:
        return unblotted
    pattern = re.compile(_alternatives(sorted(forms, key=len, reverse=True), LETTERS_SHARED))
    return lambda text: pattern.sub(HIDDEN, text)


class Blotting:
    """Takes more and more secrets out of texts: what was secret stays it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._blot: Blot = unblotted
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """These, too, from now on."""
        known = self._secrets.union(secrets)
        if known != self._secrets:
            self._secrets, self._blot = known, blotting(known)

    def __call__(self, text: str) -> str:
        """The same text without them."""
        return self._blot(text)


def shown(text: str, blot: Blot) -> str:
    """The text without the secrets in it, cut where it is very long; what is cut off is not looked through."""
    if len(text) <= MOST_SHOWN:
        return blot(text)
    return f"{blot(text[: 2 * MOST_SHOWN])[:MOST_SHOWN]}… ({len(text)} characters)"


def _alternatives(forms: Iterable[str], shared: int) -> str:
    """An expression for any of these, the longer ones first. Those that begin alike are tried together, so that a thousand cost hardly more than ten."""
    if not shared:
        return "|".join(map(re.escape, forms))
    by_letter: dict[str, list[str]] = {}
    for form in forms:
        by_letter.setdefault(form[0], []).append(form[1:])
    return "|".join(f"{re.escape(letter)}(?:{_alternatives(rest, shared - 1)})" for letter, rest in by_letter.items())


def _pieces(secret: str) -> list[str]:
    lines = [line for line in secret.splitlines() if len(line) >= SHORTEST_LINE]
    return [piece for piece in (secret, secret.strip(), *lines) if len(piece) >= SHORTEST]


def _forms(piece: str) -> set[str]:
    return {
        piece,
        json.dumps(piece)[1:-1],
        json.dumps(piece, ensure_ascii=False)[1:-1],
        repr(piece)[1:-1],
        quote(piece),
        quote(piece, safe=""),
    }
