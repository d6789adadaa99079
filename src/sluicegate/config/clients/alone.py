"""Whether one backend makes sense for itself, before it stands beside others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..checks.backends import backend_rules
from ..problem import Problem, dotted
from ..structure import Rejected, structure

__all__ = ["problems_alone"]

_PLACE = "backends[0]"


def problems_alone(table: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a table of ``[[backends]]``; the paths begin inside of it."""
    beside = {"namespace": "alone"}  # which one it gets follows from the others
    try:
        config = structure({"proxy": {"name": "alone"}, "backends": [{**table, **beside}]})
    except Rejected as error:
        return [Problem(None, None, dotted(finding.path[2:]), finding.what, finding.instead) for finding in error.findings]
    return [attrs.evolve(problem, path=problem.path.removeprefix(_PLACE).removeprefix(".")) for problem in backend_rules(config)]
