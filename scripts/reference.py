"""What stands in ``conf`` because the settings say so: the policies' tables of ``reference.toml``, and the schema.

Writes both; with ``--check`` it writes nothing, and the exit code is 1 if one of them says something else.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from sluicegate.config.schema import schema
from sluicegate.config.sentences import purpose_of, sentences_of
from sluicegate.policies.settings import TABLES

CONF = Path(__file__).resolve().parents[1] / "conf"
REFERENCE = CONF / "reference.toml"
SCHEMA = CONF / "sluicegate.schema.json"

_COMMENT = 36
"""The column in which comments begin."""
_WIDTH = 140


def main(arguments: Sequence[str]) -> int:
    """Write the files, or look at them."""
    stale = [path for path, text in made().items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(path.relative_to(CONF.parent))
        if "--check" not in arguments:
            path.write_text(made()[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def made() -> Mapping[Path, str]:
    """The files as they should be."""
    head, _, _ = REFERENCE.read_text(encoding="utf-8").partition("[backends.retry]")
    tables = "\n".join("".join(line + "\n" for line in table(cls)) for cls in TABLES.values())
    return {REFERENCE: head + tables, SCHEMA: json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"}


def table(cls: type[attrs.AttrsInstance]) -> Iterator[str]:
    """The lines of one table, with every key: its default, or behind a '#' an example of what has none."""
    yield from commented(f"[backends.{cls.table}]", purpose_of(cls))
    sentences = sentences_of(cls)
    for field in attrs.fields(cls):
        shown, said = f"{field.name} = {value(field)}", sentences[field.name]
        if field.default is attrs.NOTHING:
            said = f"Required; {small(said)}"
        yield from commented(f"# {shown}" if field.default is None else shown, said)


def value(field: attrs.Attribute[Any]) -> str:
    """A default or an example, as TOML has it."""
    default = field.metadata["example"] if field.default in {None, attrs.NOTHING} else field.default
    return f"{default:g}" if isinstance(default, float) else json.dumps(default)


def commented(shown: str, sentence: str) -> Iterator[str]:
    """A line and what is said of it, which may go on in lines of its own."""
    first, *others = textwrap.wrap(small(sentence).replace("`", ""), _WIDTH - _COMMENT - 2, break_long_words=False)
    yield f"{shown:{_COMMENT}}# {first}" if len(shown) < _COMMENT else f"{shown}  # {first}"
    yield from (f"{'':{_COMMENT}}# {line}" for line in others)


def small(sentence: str) -> str:
    """A sentence as a remark."""
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
