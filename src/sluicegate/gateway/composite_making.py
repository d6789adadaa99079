"""From the settings of composite tools to the tools."""

from __future__ import annotations

from collections.abc import Mapping

from ..config.model import Config
from ..policies.lifetime import Lifetime
from ..protocol.calls import Layer
from ..protocol.messages import encode
from ..routing.composites.composite import Composite
from ..routing.composites.fan_out import Composites
from ..routing.composites.templates import Template
from ..routing.directory import Directory

__all__ = ["composite_layer", "composites_of"]


def composites_of(config: Config) -> tuple[Composite, ...]:
    """All of them, in order."""
    return tuple(
        Composite(
            own.name,
            own.description,
            own.tools,
            own.strategy,
            encode({"type": "object"} if own.input_schema is None else {"type": "object"} | dict(own.input_schema)),
            {tool: Template(given) for tool, given in own.arguments.items() if isinstance(given, Mapping)},
            own.seconds,
            own.title,
        )
        for own in config.composite_tools
    )


def composite_layer(config: Config, directory: Directory) -> Layer | None:
    """What answers their calls; None where there are none."""
    tools = {composite.name: composite for composite in composites_of(config)}
    return (lambda inner: Composites(inner, tools, Lifetime, directory.refuses_own)) if tools else None
