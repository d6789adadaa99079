"""What has to change in a running backend when its settings do: one table for every setting there is."""

from __future__ import annotations

import enum
from collections.abc import Container, Mapping
from types import MappingProxyType

from ..config.model import BackendConfig
from ..policies.settings import TABLES

__all__ = ["CLASSES", "Change", "differences", "told"]


class Change(enum.Enum):
    """What a difference in a setting takes; each leaves alone what the others are for."""

    VIEW = "view"
    """Another catalogue: what clients see of it, and under which names."""
    ROLE = "role"
    """Another way to it and from it: whom it stands in for, and whose calls it gets."""
    POLICIES = "policies"
    """Another policy in the place of the one whose settings differ; the others stay, with all that they have counted."""
    SUPERVISION = "supervision"
    """Nothing now: its supervisor goes by it when it starts the backend next, or when a client's session begins, or is unused."""
    LINK = "link"
    """Another connection: connect the new, swap, drain the old. It begins with policies that have counted nothing."""
    NOTHING = "nothing"
    """Nothing in one that runs: who it is, whether it is to run, and whether a gateway may go on without it."""


CLASSES: Mapping[str, Change] = MappingProxyType(
    dict.fromkeys(("name", "enabled", "required"), Change.NOTHING)
    | dict.fromkeys(("transport", "command", "args", "cwd", "env", "inherit_env"), Change.LINK)
    | dict.fromkeys(("url", "headers", "bearer_token", "auth", "forward_auth", "tls", "proxy"), Change.LINK)
    | dict.fromkeys(("sessions", "revision", "fidelity"), Change.LINK)  # their lists are read on the connection
    | dict.fromkeys(("connect_timeout_seconds", "restart", "max_sessions", "session_idle_seconds"), Change.SUPERVISION)
    | dict.fromkeys(("timeout", "progress", "coalesce_requests", *TABLES), Change.POLICIES)
    | {"health": Change.LINK}  # which is watched there
    | dict.fromkeys(("failover_for", "priority", "failover_after", "failover_stays_seconds"), Change.ROLE)
    | dict.fromkeys(("canary_of", "weight", "canary_sticky"), Change.ROLE)
    | dict.fromkeys(("mirror_of", "mirror_percent", "mirror_hidden"), Change.ROLE)
    | dict.fromkeys(("mirror_read_only", "mirror_compare", "mirror_ignore"), Change.ROLE)
    | dict.fromkeys(("namespace", "aliases"), Change.VIEW)
    | dict.fromkeys(("expose_tools", "expose_resources", "expose_prompts"), Change.VIEW)
    | dict.fromkeys(("hide_tools", "hide_resources", "hide_prompts", "hide_destructive", "read_only_only"), Change.VIEW)
    | dict.fromkeys(("default_args", "inject_args", "param_overrides", "validate"), Change.VIEW)
)
"""By the name of the setting. A new one is given its class here, and nowhere else; the table of a policy has it."""


def differences(old: BackendConfig, new: BackendConfig) -> frozenset[Change]:
    """What it takes to get from one to the other; empty if they are the same."""
    return frozenset(change for name, change in CLASSES.items() if getattr(old, name) != getattr(new, name))


def told(before: Mapping[str, BackendConfig], after: Mapping[str, BackendConfig], connected: Container[str]) -> dict[str, list[str]]:
    """What became of which backends, for the log; ``connected`` are those that were connected to."""
    stays = [name for name in after if name in before]
    found = {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "connected": [name for name in stays if name in connected],
        "changed": [name for name in stays if name not in connected and differences(before[name], after[name])],
    }
    return {word: names for word, names in found.items() if names}
