"""How the parameters of a backend's tools look to clients: keys that stand among the backend's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

__all__ = ["ArgumentsConfig", "Json", "ParameterSettings", "ParametersConfig"]

Json: TypeAlias = Mapping[str, object]
"""A table of values that JSON has: no dates."""


@attrs.frozen(repr=False)
class ArgumentsConfig:
    """Arguments that calls of one tool get."""

    tool: str
    """The backend's own name of the tool."""
    args: Json
    """By the tool's own names; a text may hold ${principal.subject}, ${principal.issuer}, ${principal.key} or ${header.NAME}."""
    overwrite: bool = False
    """Whether they take the place of what a client says; without it they are for what it leaves out."""


@attrs.frozen(repr=False)
class ParametersConfig:
    """How one tool looks to clients."""

    tool: str
    """The backend's own name of the tool."""
    hide: tuple[str, ...] = ()
    """Parameters that clients neither see nor may give."""
    defaults: Json = attrs.field(factory=dict)
    """What is given where a client gives nothing, hidden ones included."""
    rename: Mapping[str, str] = attrs.field(factory=dict)
    """From the tool's own name of a parameter to the one that clients use."""
    title: str | None = None
    """Shown in the place of its own."""
    description: str | None = None
    """Shown in the place of its own."""


@attrs.frozen(kw_only=True, slots=False, repr=False)
class ParameterSettings:
    """What a backend's tools are given, and what clients see of their parameters."""

    default_args: Json = attrs.field(factory=dict)
    """What every tool is given where neither a client nor a rule of that tool gives anything."""
    inject_args: tuple[ArgumentsConfig, ...] = ()
    """What single tools are given: where a client gives nothing, or, with overwrite, in any case."""
    param_overrides: tuple[ParametersConfig, ...] = ()
    """Parameters of single tools that are hidden, renamed or given, and the words in which a tool is shown."""
    validate: Literal["off", "warn", "enforce"] = "off"
    """What becomes of arguments that do not fit a tool's inputSchema, and of structured results that do not fit its outputSchema: "warn" tells
    of them in the log, "enforce" refuses them. It holds for calls that others take in this one's place, by the schemas that clients see."""
