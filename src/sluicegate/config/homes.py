"""Which keys each table has, and where a key belongs that stands in the wrong one."""

from __future__ import annotations

import functools
from typing import Any

import attrs

from ..policies.settings import TABLES, RateLimitSettings
from ..settings.audit_settings import AuditSettings
from ..settings.composite_tools import CompositeConfig
from ..settings.entitlements import RoleConfig, RoleMappingSettings, ScopedTokenSettings
from ..settings.keeping import StoreSettings
from ..settings.outward import OutwardSettings
from .model import (
    AccessLogConfig,
    BackendConfig,
    BackendTlsConfig,
    Config,
    IssuerSettings,
    ListenConfig,
    ListenTlsConfig,
    MetricsConfig,
    ObservabilityConfig,
    PerformanceConfig,
    ProxyConfig,
    SecurityConfig,
    ToolScopes,
)
from .problem import KeyPath

__all__ = ["NOT_FROM_FILES", "home_of", "keys_of"]

NOT_FROM_FILES = frozenset({"source", "planned", "variables", "inserted"})
"""What a configuration knows beyond what was written."""

_TABLES: dict[str, type[Any]] = {
    "[proxy]": ProxyConfig,
    "[proxy.listen]": ListenConfig,
    "[security]": SecurityConfig,
    "[[auth.issuers]]": IssuerSettings,
    "[[auth.tool_scopes]]": ToolScopes,
    "[[auth.scoped_tokens]]": ScopedTokenSettings,
    "[[auth.roles]]": RoleConfig,
    "[auth.role_mapping]": RoleMappingSettings,
    "[proxy.listen.tls]": ListenTlsConfig,
    "[proxy.rate_limit]": RateLimitSettings,
    "[backends.tls]": BackendTlsConfig,
    "[backends.auth]": OutwardSettings,
    **{f"[backends.{table}]": cls for table, cls in TABLES.items()},
    "[observability.audit]": AuditSettings,
    "[observability.access_log]": AccessLogConfig,
    "[observability.metrics]": MetricsConfig,
    "[observability]": ObservabilityConfig,
    "[performance]": PerformanceConfig,
    "[cache]": StoreSettings,
    "[[backends]]": BackendConfig,
    "[[composite_tools]]": CompositeConfig,
    "the top of the file, before any table": Config,
}


def keys_of(cls: type[Any]) -> list[str]:
    """The keys of a table, as they are written."""
    return [field.name.rstrip("_") for field in attrs.fields(cls) if not (cls is Config and field.name in NOT_FROM_FILES)]


def home_of(key: str, path: KeyPath) -> str:
    """Where a key belongs that the table at ``path`` does not have: a table inside that one if there is one, or one of three at most."""
    if key == "faults":
        return "a plan of its own: sluicegate run --faults PLAN"
    places = _homes().get(key, [])
    within = "[" + ".".join(step for step in path if isinstance(step, str)) + "."
    inner = [place for place in places if place.startswith(within)]
    return " or ".join(inner or places) if 0 < len(inner or places) <= 3 else ""


@functools.cache
def _homes() -> dict[str, list[str]]:
    """The tables that have a key: people put it one table too high or too low."""
    found: dict[str, list[str]] = {}
    for table, cls in _TABLES.items():
        for key in keys_of(cls):
            found.setdefault(key, []).append(table)
    return found
