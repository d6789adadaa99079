"""Which calls may be run twice: for retries and hedges, which read no annotations themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from ..protocol.calls import READS, Call

__all__ = ["Repeatable", "repeatable"]

Repeatable: TypeAlias = Callable[[Call], bool]
"""Whether it is harmless to run a call twice."""


def repeatable(
    only: str | tuple[str, ...], is_safe: Callable[[str, str], bool], only_once: Callable[[Call], bool] = lambda _call: False
) -> Repeatable:
    """Make the decision once, where a chain is built.

    Args:
        only: ``safe``, ``all``, or the names of the tools that may be run twice (the backend's own names).
        is_safe: whether the backend says of a method (``tools/call``) and a local name that it does no harm.
        only_once: whether a call must not be made twice, whatever the tool says: it may become a task.
    """
    decided = _decided(only, is_safe)
    return lambda call: decided(call) and not only_once(call)


def _decided(only: str | tuple[str, ...], is_safe: Callable[[str, str], bool]) -> Repeatable:
    if only == "all":
        return _any_call
    if only == "safe":
        return _Annotated(is_safe)
    if isinstance(only, str):
        raise TypeError(f"{only!r} is neither 'safe' nor 'all'; tools are named in a tuple: ({only!r},)")
    return _Named(frozenset(only))


def _any_call(call: Call) -> bool:
    del call
    return True


@attrs.frozen(eq=False, repr=False)
class _Annotated:
    is_safe: Callable[[str, str], bool]

    def __call__(self, call: Call) -> bool:
        return call.method in READS or self.is_safe(call.method, call.local)


@attrs.frozen(eq=False, repr=False)
class _Named:
    tools: frozenset[str]

    def __call__(self, call: Call) -> bool:
        return call.method in READS or (call.method == "tools/call" and call.local in self.tools)
