"""Whether composite tools make sense (CFG-V20, CMP-4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from ...protocol.names import is_portable, portable
from ...protocol.template_places import places
from ...settings.composite_tools import CompositeConfig
from ...settings.ranges import impossible
from ..model import Config
from ..problem import Problem

__all__ = ["composite_rules"]

_MOST_TOOLS = 64
_LONGEST_NAME = 64


def composite_rules(config: Config) -> Iterator[Problem]:
    """What is wrong with them."""
    counts = Counter(composite.name for composite in config.composite_tools)
    prefixes = [backend.prefix(config.proxy.separator) for backend in config.backends if backend.enabled and backend.stands_for is None]
    if config.proxy.portable_names:
        prefixes += [portable(prefix) for prefix in prefixes]
    for index, composite in enumerate(config.composite_tools):
        where = f"composite_tools[{index}]"
        if not composite.name:
            yield Problem(None, None, f"{where}.name", "name must not be empty", "write what clients are to call it")
        elif not is_portable(composite.name) or len(composite.name) > _LONGEST_NAME:
            what = f"'{composite.name}' is a name that some clients refuse"
            yield Problem(None, None, f"{where}.name", what, f"use letters, digits, '-' and '_', {_LONGEST_NAME} at most")
        elif counts[composite.name] > 1:
            yield Problem(None, None, f"{where}.name", f"duplicate composite_tools name '{composite.name}'", "give each a name of its own")
        yield from _targets(where, composite, prefixes, counts)
        yield from _templates(where, composite)
        for key, range_, number in impossible(composite):
            yield Problem(None, None, f"{where}.{key}", f"{key} {range_.words}, got {number}", range_.instead)
    yield from _circles(config)


def _targets(where: str, composite: CompositeConfig, prefixes: list[str], others: Mapping[str, int]) -> Iterator[Problem]:
    if not composite.tools:
        yield Problem(None, None, f"{where}.tools", "must reference at least one tool", "write the names that clients use")
    if len(composite.tools) > _MOST_TOOLS:
        yield Problem(None, None, f"{where}.tools", f"more than {_MOST_TOOLS} tools are called at once", "make several of it")
    for tool in dict.fromkeys(composite.tools):
        if composite.tools.count(tool) > 1:
            yield Problem(None, None, f"{where}.tools", f"'{tool}' is named twice", "name it once")
        if tool not in others and not any(tool.startswith(prefix) and tool != prefix for prefix in prefixes):
            yield Problem(
                None,
                None,
                f"{where}.tools",
                f"'{tool}' is no tool of a backend",
                "write the name that clients use: the namespace, the separator, the tool's own",
            )


def _templates(where: str, composite: CompositeConfig) -> Iterator[Problem]:
    for tool, arguments in composite.arguments.items():
        path = f"{where}.arguments.{tool}"
        if tool not in composite.tools:
            yield Problem(None, None, path, f"'{tool}' is none of its tools", "name one of tools")
            continue
        if not isinstance(arguments, dict):
            yield Problem(None, None, path, "the arguments of a tool are a table", 'write one, such as { q = "{{arguments.q}}" }')
        before = composite.tools[: composite.tools.index(tool)] if composite.strategy in ("sequential", "first_success") else ()
        for place in places(arguments):
            root, _, rest = place.partition(".")
            if root == "results" and rest.partition(".")[0] not in before:
                what = f"{{{{{place}}}}} is not there yet when '{tool}' is called"
                yield Problem(None, None, path, what, 'use strategy = "sequential", and a tool that stands before it')


def _circles(config: Config) -> Iterator[Problem]:
    composites = {composite.name: composite.tools for composite in config.composite_tools}
    try:
        TopologicalSorter({name: [tool for tool in tools if tool in composites] for name, tools in composites.items()}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        yield Problem(None, None, "composite_tools", f"they call each other without end: {' -> '.join(circle)}", "take one of them out")
