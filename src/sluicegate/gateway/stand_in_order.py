"""Who stands in for whom, and who is asked first."""

from __future__ import annotations

from collections.abc import Iterable

from ..config.model import BackendConfig

__all__ = ["canaries", "stand_ins"]


def stand_ins(config: BackendConfig, configs: Iterable[BackendConfig]) -> tuple[str, ...]:
    """Who answers for a backend when it cannot, in the order in which they are asked: by priority, then as configured."""
    members = [other for other in configs if other.failover_for == config.name]
    return tuple(member.name for member in sorted(members, key=lambda member: member.priority))


def canaries(config: BackendConfig, configs: Iterable[BackendConfig]) -> tuple[BackendConfig, ...]:
    """Who gets a share of a backend's calls, as configured."""
    return tuple(other for other in configs if other.canary_of == config.name)
