"""A JSON Schema of configurations (draft 2020-12), made of the classes that files are read into: for editors, and for programs that write files.

It says what can be said of each key by itself: which there are, what kinds of values they take, in which range, and what they do. What
contradicts each other is for ``check`` alone.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args, get_origin

import attrs

from ..policies.settings import Only
from ..settings.parameters import Json as JsonTable
from ..settings.ranges import Range, range_of
from ..settings.secret import Secret
from .homes import NOT_FROM_FILES
from .inheritance import Inherit
from .model import (
    OTHER_WORDS,
    BackendConfig,
    Config,
    ObservabilityConfig,
    SecurityConfig,
)
from .planned import PLANNED, Kind
from .sentences import purpose_of, sentences_of

__all__ = ["schema"]

Json: TypeAlias = "dict[str, Any]"

_TABLES_OF_PLANS: Mapping[type[Any], tuple[str, ...]] = {
    Config: (),
    BackendConfig: ("backends",),
    SecurityConfig: ("security",),
    ObservabilityConfig: ("observability",),
}
_TEXT: Json = {"type": "string"}
_VARIABLE: Json = {"type": "string", "pattern": r"\$\{"}
"""A text that names a variable, and becomes a value of the kind that is wanted."""
_VALUE: Json = {
    "description": "What a tool may be given: whatever JSON has.",
    "properties": {},
    "type": ["string", "number", "boolean", "null", "array", "object"],
    "items": {"$ref": "#/$defs/Value"},
    "additionalProperties": {"$ref": "#/$defs/Value"},
}
_SIMPLE: Mapping[Any, Json] = {
    str: _TEXT,
    int: {**_VARIABLE, "type": ["integer", "string"]},
    float: {**_VARIABLE, "type": ["number", "string"]},
    bool: {**_VARIABLE, "type": ["boolean", "string"]},
    tuple[str, ...]: {"type": "array", "items": _TEXT},
    Secret: _TEXT,
    tuple[Secret, ...]: {"type": "array", "items": _TEXT},
    Mapping[str, Secret]: {"type": "object", "additionalProperties": _TEXT},
    Mapping[str, str]: {"type": "object", "additionalProperties": _TEXT},
    Mapping[str, float]: {"type": "object", "additionalProperties": {**_VARIABLE, "type": ["number", "string"]}},
    JsonTable: {"type": "object", "additionalProperties": {"$ref": "#/$defs/Value"}},
    Inherit: {**_VARIABLE, "type": ["boolean", "array", "string"], "items": _TEXT},
    Only: {"anyOf": [{"enum": ["safe", "all"]}, {"type": "array", "items": _TEXT}, _VARIABLE]},
}
"""By the type of a field. One list of types says more to who reads a mistake than alternatives: their keywords are each about one type."""
_PLANS: Mapping[str, Json] = {
    "text": _TEXT,
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "table": {"type": "object"},
}
_PLAN = "Planned, not built yet."


def schema() -> Json:
    """The whole of it, as values that JSON can hold."""
    tables: Json = {}
    top = _table(Config, tables)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of Sluicegate"}
    return {**head, **top, "$defs": dict(sorted((tables | {"Value": _VALUE}).items()))}


def _table(cls: type[Any], tables: Json) -> Json:
    """What one class allows; the tables in it are added to the others."""
    sentences = sentences_of(cls)
    keys: Json = {}
    fields = [field for field in attrs.fields(attrs.resolve_types(cls)) if not (cls is Config and field.name in NOT_FROM_FILES)]
    for field in fields:
        said = {"description": sentences[field.name]} if field.name in sentences else {}
        keys[field.name.rstrip("_")] = _value(field.type, range_of(field), tables) | said | _default(field.default)
    if cls in _TABLES_OF_PLANS:
        keys |= {key: {**_plan(kind), "description": _PLAN} for key, kind in PLANNED[_TABLES_OF_PLANS[cls]].items()}
    required = [field.name.rstrip("_") for field in fields if field.default is attrs.NOTHING]
    return {
        "type": ["object", "boolean"] if "enabled" in keys and cls not in _TABLES_OF_PLANS else "object",
        "description": purpose_of(cls),
        "properties": keys,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _value(kind: Any, range_: Range | None, tables: Json) -> Json:
    """What may stand behind a key."""
    if kind in _SIMPLE:
        return _SIMPLE[kind] | ({} if range_ is None else _range(range_))
    if get_origin(kind) is Literal:
        words = get_args(kind)
        others = "|".join(_in_any_case(other) for other, word in OTHER_WORDS.items() if word in words)
        beside = [{"type": "string", "pattern": f"^({others})$"}] if others else []
        return {"anyOf": [{"enum": [word for word in words if word != "inprocess"]}, *beside, _VARIABLE]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], None, tables)}
    if attrs.has(kind):
        return {"$ref": f"#/$defs/{_name_in(tables, kind)}"}
    several = [one for one in get_args(kind) if attrs.has(one)]
    if len(several) > 1:
        return {"anyOf": [*(_of_type(cls, tables) for cls in several), {"type": "null"}]}
    (wanted,) = (one for one in get_args(kind) if one is not types.NoneType)
    found = _value(wanted, range_, tables)
    if attrs.has(wanted):
        made = tables[_name_in(tables, wanted)]
        made["type"] = list(dict.fromkeys([*([made["type"]] if isinstance(made["type"], str) else made["type"]), "null"]))
    elif "anyOf" in found:
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    else:
        found["type"] = [*([found["type"]] if isinstance(found["type"], str) else found["type"]), "null"]
    return found


def _of_type(cls: type[Any], tables: Json) -> Json:
    """One of several classes that a table may be of; its ``type`` must say so, unless it is the one that is meant without."""
    name = _name_in(tables, cls)
    tables[name]["properties"]["type"] |= {"anyOf": [{"enum": [attrs.fields_dict(cls)["type"].default]}]}
    return {"$ref": f"#/$defs/{name}"}


def _in_any_case(word: str) -> str:
    """A pattern for it; those of a schema have no flags."""
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


def _name_in(tables: Json, cls: type[Any]) -> str:
    """What a table is called among the others; it is made when it is first asked for."""
    name = cls.__name__.removesuffix("Config").removesuffix("Settings")
    if name not in tables:
        tables[name] = _table(cls, tables)
    return name


def _range(range_: Range) -> Json:
    found: Json = {"exclusiveMinimum" if range_.without_least else "minimum": range_.least}
    if range_.most < float("inf"):
        found["exclusiveMaximum" if range_.without_most else "maximum"] = range_.most
    return found


def _default(value: Any) -> Json:
    """What holds where a key is not given, if that can be written."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, tuple):
        value = list(value)
    return {"default": value} if isinstance(value, str | int | float | list) else {}


def _plan(kind: Kind) -> Json:
    if isinstance(kind, str):
        return dict(_PLANS[kind])
    if isinstance(kind, tuple):
        return {"enum": list(kind)}
    if isinstance(kind, list):
        return {"type": "array", "items": _plan(kind[0])}
    return _plan_of_table(kind)


def _plan_of_table(kinds: Mapping[str, Kind]) -> Json:
    required = [key[:-1] for key in kinds if key.endswith("!")]
    return {
        "type": "object",
        "properties": {key.rstrip("!"): _plan(kind) for key, kind in kinds.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
