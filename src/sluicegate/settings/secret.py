"""A text that is never shown: not in an error, a dump, a log, a trace or a crash report, unless somebody asks for it in so many words."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import NoReturn

__all__ = ["HIDDEN", "Secret", "secret", "secret_table", "secrets"]

HIDDEN = "***"
"""Stands where a secret was."""


class Secret:
    """A token, a password, a key. It is no `str`, so nothing that joins, formats, encodes or copies texts can carry it away unseen.

    Whoever needs the text says `reveal`, which is easily looked for. It can be compared with a text, in constant time.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = str(text)

    def reveal(self) -> str:
        """The text itself, for whoever it is meant for."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, _wish: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._text)

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret | str):
            return NotImplemented
        text = other if isinstance(other, str) else other._text
        return hmac.compare_digest(self._text.encode(errors="surrogatepass"), text.encode(errors="surrogatepass"))

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is written nowhere")


def secret(given: Secret | str | None) -> Secret | None:
    """What a file or a program gave, as a secret."""
    return Secret(given) if isinstance(given, str) else given


def secrets(given: Iterable[Secret | str]) -> tuple[Secret, ...]:
    """The same for several of them."""
    return tuple(Secret(one) if isinstance(one, str) else one for one in given)


def secret_table(given: Mapping[str, Secret | str]) -> Mapping[str, Secret]:
    """The same for a table whose keys may be seen."""
    return {name: Secret(one) if isinstance(one, str) else one for name, one in given.items()}
