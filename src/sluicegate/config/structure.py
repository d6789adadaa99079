"""From the tree of a file to the classes of the model, with every mistake found in one go.

cattrs converts strictly: a number in quotes is no number, and a text is no list of letters. Only what came out of ``${NAME}`` is
converted, because the environment has nothing but texts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, get_args

import attrs
import cattrs

from ..policies.settings import Only
from ..settings.parameters import Json
from ..settings.ranges import OutOfRange
from ..settings.secret import Secret
from .inheritance import Inherit
from .interpolate import Inserted
from .json_values import json_table
from .misfits import Wrong, findings_in
from .model import OTHER_WORDS, Config
from .planned import Finding
from .problem import KeyPath
from .typed_tables import by_type, called, class_hook, in_range, is_list_of_tables, is_one_of_tables, list_hook

__all__ = ["Rejected", "settings_of", "structure"]

_UNOFFERED = frozenset({"inprocess"})
"""Values that a file cannot have."""
_LARGEST = 10**12
_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Rejected(Exception):
    """A tree does not fit; ``findings`` holds every place where it does not."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = sorted(findings, key=lambda found: found.nearest is not None)  # of one line, what is of the wrong kind comes first


def structure(tree: Mapping[str, Any]) -> Config:
    """Build a configuration; raises `Rejected`."""
    try:
        return _converter().structure(tree, Config)
    except (cattrs.BaseValidationError, Wrong) as error:
        raise Rejected(list(findings_in(error, (), Config))) from None


def settings_of(given: Mapping[str, Any], cls: type[Any], path: KeyPath) -> dict[str, Any]:
    """Settings of a class that a program wrote, checked as those of a file; raises `Rejected`.

    Objects of the model stay as they are, and plain values become what the model has there: a dict one of its tables, a list a tuple.
    """
    made, findings = dict(given), list[Finding]()
    for field in attrs.fields(attrs.resolve_types(cls)):
        value = given.get(field.name)
        if value is None or _is_made(value):
            continue
        try:
            made[field.name] = in_range(_converter(), field.validator, list(value) if isinstance(value, tuple) else value, field.type)
        except (cattrs.BaseValidationError, Wrong, OutOfRange) as error:
            kind = next((kind for kind in (field.type, *get_args(field.type)) if attrs.has(kind)), None)
            findings += findings_in(error, (*path, field.name), kind)
    if findings:
        raise Rejected(findings)
    return made


def _is_made(value: object) -> bool:
    """Whether it is an object of the model already, or a list of them."""
    return attrs.has(type(value)) or (isinstance(value, list | tuple) and any(attrs.has(type(entry)) for entry in value))


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(bool, _flag)
    converter.register_structure_hook_func(lambda kind: str(kind).startswith("typing.Literal"), _choice)
    converter.register_structure_hook(Secret, _text)
    converter.register_structure_hook_func(lambda kind: kind in {tuple[str, ...], tuple[Secret, ...]}, lambda value, _: _texts(value))
    converter.register_structure_hook_func(lambda kind: kind == Inherit, lambda value, _: _inherit(value))
    converter.register_structure_hook_func(lambda kind: kind == Only, lambda value, _: _only(value))
    converter.register_structure_hook_func(
        lambda kind: kind in {Mapping[str, str], Mapping[str, Secret]}, lambda value, _: _table_of_texts(value)
    )
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, float], lambda value, _: _table_of_numbers(value))
    converter.register_structure_hook_func(lambda kind: kind == Json, lambda value, _: json_table(value))
    converter.register_structure_hook_func(is_one_of_tables, functools.partial(by_type, converter))
    converter.register_structure_hook_factory(attrs.has, functools.partial(class_hook, converter))
    converter.register_structure_hook_factory(is_list_of_tables, functools.partial(list_hook, converter))
    return converter


def _text(value: Any, _: Any) -> str:
    if isinstance(value, Secret):  # of a program; where one is expected, its class makes one of the text again
        return value.reveal()
    if not isinstance(value, str):
        raise Wrong(
            f"{called(value)} stands where a text is expected",
            "put it in quotes" if isinstance(value, int | float) else "write a text in quotes",
        )
    if "\0" in value:
        raise Wrong("the text holds a NUL character", "leave it out")
    return str(value)


def _integer(value: Any, _: Any) -> int:
    if isinstance(value, Inserted) and re.fullmatch(r"-?[0-9]{1,18}", value.strip()):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"{called(value)} stands where a whole number is expected", "write a whole number without quotes")
    if abs(value) > _LARGEST:
        raise Wrong("the number is too large", "write a smaller one")
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, Inserted) and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]*)?", value.strip()):
        return float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Wrong(f"{called(value)} stands where a number is expected", "write a number without quotes")
    if not abs(value) <= _LARGEST:  # not-a-number is not smaller either
        raise Wrong("the number is too large", "write a smaller one")
    return float(value)


def _flag(value: Any, _: Any) -> bool:
    if isinstance(value, Inserted) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    if not isinstance(value, bool):
        raise Wrong(f"{called(value)} stands where true or false is expected", "write true or false without quotes")
    return value


def _choice(value: Any, kind: Any) -> Any:
    choices = get_args(kind)
    if isinstance(value, str) and OTHER_WORDS.get(value.lower()) in choices:
        return OTHER_WORDS[value.lower()]
    if not isinstance(value, str) or value not in choices:
        raise Wrong(
            "this is none of the values that are known",
            "write " + " or ".join(f'"{choice}"' for choice in choices if choice not in _UNOFFERED),
        )
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong(f"{called(value)} stands where a list of texts is expected", 'write a list in brackets, such as ["a", "b"]')
    return tuple(_converter().structure(value, list[str]))


def _only(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list):
        return _texts(value)
    if value not in ("safe", "all"):
        what = "this is none of the words that are known" if isinstance(value, str) else f"{called(value)} says nothing about calls"
        raise Wrong(what, 'write "safe", "all", or a list of the backend\'s tools: ["look", "find"]')
    return str(value)


def _inherit(value: Any) -> bool | tuple[str, ...]:
    if isinstance(value, list):
        return _texts(value)
    try:
        return _flag(value, bool)
    except Wrong as error:
        raise Wrong(f"{called(value)} names no variables", 'write a list of names, such as ["AWS_*"], or true or false') from error


def _table_of_texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Wrong(f"{called(value)} stands where a table of texts is expected", 'write a table, such as { NAME = "value" }')
    return dict(_converter().structure(value, dict[str, str]))


def _table_of_numbers(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise Wrong(f"{called(value)} stands where a table of numbers is expected", 'write a table, such as { "get_*" = 5 }')
    return dict(_converter().structure(value, dict[str, float]))
