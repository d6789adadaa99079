"""From the settings of composite tools to the tools."""

from __future__ import annotations

from collections.abc import Mapping

from ..config.model import Config
from ..protocol.messages import encode
from ..routing.composites.composite import Composite
from ..routing.composites.templates import Template

__all__ = ["composites_of"]


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
