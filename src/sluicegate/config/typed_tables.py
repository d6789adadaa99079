"""How a table of a file becomes an object of its class, or of one of several, and a list of tables a tuple of objects."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin

import attrs
import cattrs
from cattrs import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError

from ..settings.ranges import Range
from .homes import NOT_FROM_FILES, keys_of
from .misfits import Wrong
from .model import Config

__all__ = ["by_type", "called", "class_hook", "in_range", "is_list_of_tables", "is_one_of_tables", "list_hook"]


def class_hook(converter: cattrs.Converter, cls: type[Any]) -> Callable[[Any, Any], Any]:
    """Reads a table key by key. cattrs would write a function for each class, which pays where there are many values of it: here it took 8 ms of a start."""
    fields = {_key_of(field): field for field in attrs.fields(attrs.resolve_types(cls)) if field.init and not _is_out_of_files(field, cls)}

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, bool) and "enabled" in fields:  # of what can be switched that is the one thing that nearly everybody says
            value = {"enabled": value}
        if not isinstance(value, dict):
            raise Wrong(f"{called(value)} stands where a table is expected", f"write a table with {', '.join(keys_of(cls))}")
        made, errors = dict[str, Any](), list[Exception]()
        for key, field in fields.items():
            if key not in value and field.default is not attrs.NOTHING:
                continue
            try:
                made[field.alias] = in_range(converter, field.validator, value[key], field.type)
            except Exception as error:  # noqa: BLE001  each says what is wrong there, and they are told of together
                error.add_note(AttributeValidationNote(f"in {cls.__name__}", field.name, field.type))
                errors.append(error)
        if unknown := value.keys() - fields.keys():
            errors.append(ForbiddenExtraKeysError(None, cls, unknown))
        if errors:
            raise ClassValidationError(f"in {cls.__name__}", errors, cls)
        return cls(**made)

    return hook


def _key_of(field: attrs.Attribute[Any]) -> str:
    """As it is written in a file, where a name may be a word of Python's."""
    return field.name.rstrip("_")


def _is_out_of_files(field: attrs.Attribute[Any], cls: type[Any]) -> bool:
    return cls is Config and field.name in NOT_FROM_FILES


def in_range(converter: cattrs.Converter, validator: object, value: Any, kind: Any) -> Any:
    """A setting, within its range where it has one. Each is looked at by itself, so that all impossible numbers are told of at once."""
    made = converter.structure(value, kind)
    if isinstance(validator, Range):
        validator.hold(made, "")
    return made


def is_list_of_tables(kind: Any) -> bool:
    """Whether there are tables in it, and not texts."""
    return getattr(kind, "__origin__", None) is tuple and attrs.has(get_args(kind)[0])


def is_one_of_tables(kind: Any) -> bool:
    """Whether a table may be of several classes, which its ``type`` tells apart."""
    return get_origin(kind) in {types.UnionType, Union} and sum(map(attrs.has, get_args(kind))) > 1


def by_type(converter: cattrs.Converter, value: Any, kind: Any) -> Any:
    """Reads a table as the class whose ``type`` it names; the first of them is meant where it says nothing."""
    classes = {attrs.fields_dict(cls)["type"].default: cls for cls in get_args(kind) if attrs.has(cls)}
    if value is None and types.NoneType in get_args(kind):
        return None
    first = next(iter(classes.values()))
    said = value.get("type", attrs.fields_dict(first)["type"].default) if isinstance(value, dict) else None
    if isinstance(said, str) and said in classes:
        return converter.structure(value, classes[said])
    if isinstance(value, dict):
        wrong = Wrong("this is none of the values that are known", "write " + " or ".join(f'"{name}"' for name in classes))
        wrong.add_note(AttributeValidationNote("in a table", "type", str))
        raise ClassValidationError("in a table", [wrong], first)
    return converter.structure(value, first)


def list_hook(converter: cattrs.Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Reads a list of tables."""
    entry = get_args(kind)[0]

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise Wrong(
                f"{called(value)} stands where a list of tables is expected", "write a list, or a table in double brackets: [[name]]"
            )
        return tuple(converter.structure(value, list[entry]))  # type: ignore[valid-type]

    return hook


def called(value: Any) -> str:
    """The kind of a value; never the value, which may be a secret."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
        bytes: "binary data",
        type(None): "nothing",
    }
    return next((name for kind, name in names.items() if type(value) is kind), "a text" if isinstance(value, str) else "a date or time")
