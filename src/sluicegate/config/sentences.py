"""What the source says of settings: the first paragraph of a class, and the sentence below each of its fields.

Whoever reads the source, an editor's user and the reader of ``conf/reference.toml`` are told the same, because it stands once.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

__all__ = ["purpose_of", "sentences_of"]

_ID = re.compile(r" \([A-Z]{2,4}-\d[^)]*\)")


def purpose_of(cls: type[Any]) -> str:
    """What a table is for."""
    return _one_line(inspect.getdoc(cls) or "")


def sentences_of(cls: type[Any]) -> dict[str, str]:
    """What each field is for that has a sentence, those that it inherits included; nothing where the source did not come with the program."""
    return {name: sentence for kind in reversed(cls.__mro__[:-1]) for name, sentence in _own_sentences(kind).items()}


def _own_sentences(cls: type[Any]) -> dict[str, str]:
    try:
        source = inspect.getsource(cls)
    except OSError:
        return {}
    (kind,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(kind, ast.ClassDef)
    found = {}
    for field, below in zip(kind.body, kind.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            assert isinstance(below.value, ast.Constant)
            found[field.target.id] = _one_line(str(below.value.value))
    return found


def _one_line(text: str) -> str:
    """The first paragraph, without the marks of docstrings and the ids of requirements."""
    paragraph = " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
    return _ID.sub("", paragraph).replace("``", "`")
