"""A chain of policies in words."""

from __future__ import annotations

from ..policies.compose import chain
from ..policies.mirror import Mirror
from ..protocol.calls import Handler
from ..routing.failover import Failover
from ..routing.split import Canary, Split

__all__ = ["describe"]


def describe(handler: Handler) -> list[str]:
    """The policies that a call passes, outermost first, in words: for ``sluicegate show pipeline``.

    Failover and the canary split are the last steps, because from there the way parts; they show the way of each candidate:
    ``Failover(a: Mirror(s) -> a | b: b)``, ``Split(c 10 %: Failover(…) | else: a)``.
    """
    steps = []
    for step in chain(handler):
        steps.append(_described(step))
        if isinstance(step, Failover | Split):
            break
    return steps


def _described(step: Handler) -> str:
    if isinstance(step, Failover):
        ways = (f"{candidate.name}: {' -> '.join(describe(candidate.handler))}" for candidate in (step.primary, *step.members))
        return f"Failover({' | '.join(ways)})"
    if isinstance(step, Split):
        shares = (f"{canary.candidate.name} {_share(canary)}: {' -> '.join(describe(way))}" for canary, way in step.canaries)
        return f"Split({' | '.join(shares)} | else: {' -> '.join(describe(step.inner))})"
    if isinstance(step, Mirror):
        return f"Mirror({', '.join(shadow.name for shadow in step.shadows)})"
    return str(getattr(step, "__name__", type(step).__name__))


def _share(canary: Canary) -> str:
    return "0 %, held back" if canary.is_held_back() else f"{canary.percent} %"
