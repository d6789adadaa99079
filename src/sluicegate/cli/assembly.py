"""What a configuration would be put together to, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import trio

from ..config.model import Config
from ..gateway.outline import outline

__all__ = ["pipelines", "told"]


def pipelines(config: Config) -> dict[str, Any]:
    """The policies that a call passes, outermost first: at the edge, and then for every backend that it may be routed to."""
    return trio.run(outline, config)


def told(plan: dict[str, Any]) -> Iterator[str]:
    """The same in lines for a person."""
    yield f"every call: {' -> '.join(plan['edge'])}"
    for name, backend in plan["backends"].items():
        yield f"{name}: {' -> '.join(backend['policies'])}"
        if backend["stand_ins"]:
            yield f"    fails over to {', '.join(backend['stand_ins'])}"
        if backend["mirrors"]:
            yield f"    mirrored to {', '.join(backend['mirrors'])}"
