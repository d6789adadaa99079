"""Whether the rules for the parameters of tools make sense, as far as can be said without the tools (CFG-72 … CFG-74)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ...protocol.template_places import CALLER_PLACES, HEADER_PLACE, is_credential
from ...settings.parameters import ParametersConfig
from ..model import BackendConfig, Config
from ..problem import Problem

__all__ = ["nameless_callers", "parameter_rules"]

_PLACE = re.compile(r"\$\{principal\.[^}]*\}?")
_HEADER = re.compile(r"\$\{header\.[^}]*\}?")


def parameter_rules(index: int, backend: BackendConfig) -> Iterator[Problem]:
    """What is wrong with those of one backend."""
    where = f"backends[{index}]"
    for number, entry in enumerate(backend.inject_args):
        if not entry.tool:
            yield Problem(None, None, f"{where}.inject_args[{number}].tool", "no tool is named", "write the backend's own name of one")
    counts = Counter(entry.tool for entry in backend.param_overrides)
    for number, shown in enumerate(backend.param_overrides):
        path = f"{where}.param_overrides[{number}]"
        if not shown.tool:
            yield Problem(None, None, f"{path}.tool", "no tool is named", "write the backend's own name of one")
        elif counts[shown.tool] > 1:
            yield Problem(None, None, f"{path}.tool", f"'{shown.tool}' has {counts[shown.tool]} entries", "put them into one")
        yield from _names(path, shown)
    for path, values in _tables(where, backend):
        if any(set(_PLACE.findall(text)) - CALLER_PLACES.keys() for text in _texts(values)):
            yield Problem(None, None, path, "this is nothing that is known of a caller", f"write one of {', '.join(CALLER_PLACES)}")
        yield from (Problem(None, None, path, what, instead) for what, instead in _places(values))


def nameless_callers(config: Config) -> Iterator[Problem]:
    """Arguments about callers that nobody knows; a program may have its own ways to know them."""
    for index, backend in enumerate(config.backends if config.auth is None else ()):
        for path, values in _tables(f"backends[{index}]", backend):
            if any(map(_PLACE.search, _texts(values))):
                yield Problem(None, None, path, "callers have no names without an [auth] table", "add one, or leave this argument out")


def _tables(where: str, backend: BackendConfig) -> Iterator[tuple[str, object]]:
    """What tools are given, with its place."""
    yield f"{where}.default_args", backend.default_args
    yield from ((f"{where}.inject_args[{number}].args", entry.args) for number, entry in enumerate(backend.inject_args))
    yield from ((f"{where}.param_overrides[{number}].defaults", entry.defaults) for number, entry in enumerate(backend.param_overrides))


def _places(values: object) -> Iterator[tuple[str, str]]:
    """What is wrong with places for something about a call, and what to do."""
    if any(_PLACE.search(name) or _HEADER.search(name) for name in _keys(values)):
        yield "a place stands in a name", "put it into a text: names are the same for every call"
    for place in dict.fromkeys(place for text in _texts(values) for place in _HEADER.findall(text)):
        read = HEADER_PLACE.fullmatch(place)
        if read is None:
            yield f"'{place}' names no header", "write ${header.NAME}, or ${header.NAME:-what holds without it}"
        elif is_credential(read[1]):
            yield (
                f"the header '{read[1]}' may let somebody in, and no tool is given it",
                "name one that only says something, such as X-Tenant",
            )


def _names(path: str, shown: ParametersConfig) -> Iterator[Problem]:
    """What contradicts itself in the rules for one tool."""
    for old, new in shown.rename.items():
        if not new:
            yield Problem(None, None, f"{path}.rename.{old}", "a parameter needs a name", "write one, or put it into hide")
        elif list(shown.rename.values()).count(new) > 1:
            yield Problem(None, None, f"{path}.rename.{old}", f"two parameters are to be called '{new}'", "choose another name for one")
        elif old in shown.hide:
            yield Problem(None, None, f"{path}.rename.{old}", f"'{old}' is hidden and renamed", "do one of the two")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(inner)
