"""Putting policies around a handler, and looking at the result."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.calls import Handler, Layer

__all__ = ["chain", "stack"]


def stack(*layers: Layer | None, around: Handler) -> Handler:
    """Wrap a handler: the first layer sees a call first. A layer that is None is not there."""
    for layer in reversed(layers):
        if layer is not None:
            around = layer(around)
    return around


def chain(handler: Handler) -> Iterator[Handler]:
    """The handlers that a call passes, outermost first, as far as each names its ``inner``."""
    current: Handler | None = handler
    while current is not None:
        yield current
        current = getattr(current, "inner", None)
