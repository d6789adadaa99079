"""How a class has the settings of another one beside its own: a table of a file, or what a part takes."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["own_first", "values_of"]


def own_first(_cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """For attrs: its own fields stand before those that it inherits, wherever they are listed."""
    return sorted(fields, key=lambda field: bool(getattr(field, "inherited", False)))  # its stubs lack the name


def values_of(kind: type[attrs.AttrsInstance], settings: attrs.AttrsInstance) -> dict[str, Any]:
    """What a table says of the settings of this kind, which it has among others."""
    return {field.name: getattr(settings, field.name) for field in attrs.fields(kind)}
