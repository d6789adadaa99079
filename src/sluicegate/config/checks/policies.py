"""Whether what is said about traffic policies makes sense: numbers that contradict each other. An impossible one is never a setting at all."""

from __future__ import annotations

from collections.abc import Iterator

from ...policies.settings import Only
from ..backends import BackendConfig
from ..problem import Problem

__all__ = ["policy_rules"]


def policy_rules(index: int, backend: BackendConfig) -> Iterator[Problem]:
    """What is wrong with the policies of the backend at that place."""
    yield from (Problem(None, None, f"backends[{index}].{key}", what, instead) for key, what, instead in _contradictions(backend))


def _contradictions(backend: BackendConfig) -> Iterator[tuple[str, str, str]]:
    """Key, what is wrong, and what to write instead; numbers that are impossible by themselves got no further than `structure`."""
    retry, breaker, outlier = backend.retry, backend.circuit_breaker, backend.outlier_detection
    if retry is not None:
        if retry.max_backoff_ms < retry.initial_backoff_ms:
            yield "retry.max_backoff_ms", "the longest pause is shorter than the first", "write at least retry.initial_backoff_ms"
        yield from _only("retry", retry.only)
    if backend.hedging is not None:
        yield from _only("hedging", backend.hedging.only)
    if breaker is not None and breaker.window_calls is not None:
        if breaker.window_seconds is not None:
            what = "a window cannot be counted in calls and in seconds"
            yield "circuit_breaker.window_seconds", what, "keep window_calls or window_seconds"
        elif breaker.window_calls < breaker.minimum_calls:
            what = f"the window holds fewer calls than minimum_calls = {breaker.minimum_calls}, so the breaker would never open"
            yield "circuit_breaker.window_calls", what, "write at least minimum_calls, or leave it out"
    if outlier is not None and outlier.max_ejection_seconds < outlier.base_ejection_seconds:
        what = "the longest ejection is shorter than the first"
        yield "outlier_detection.max_ejection_seconds", what, "write at least outlier_detection.base_ejection_seconds"


def _only(table: str, only: Only) -> Iterator[tuple[str, str, str]]:
    if not isinstance(only, tuple):
        if only not in ("safe", "all"):  # a file cannot say that, but a program can
            yield f"{table}.only", "this is none of the words that are known", 'write "safe", "all", or a tuple of the backend\'s tools'
        return
    seen: set[str] = set()
    for number, tool in enumerate(only):
        if not tool:
            yield f"{table}.only[{number}]", "a tool's name must not be empty", "write the backend's own name of the tool"
        elif tool in seen:
            yield f"{table}.only[{number}]", f"'{tool}' is in the list twice", "keep one of them"
        seen.add(tool)
