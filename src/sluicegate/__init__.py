"""Sluicegate: an MCP gateway for Trio.

Many Model Context Protocol servers behind one endpoint, each in a supervised life. Names are loaded when they are first used, so that
importing the package is quick, and so that checking a configuration never loads Trio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backends.backend import Backend
    from .backends.link import State, StateChange
    from .backends.session import BackendSession, ConnectFailed, Connector, Inbox
    from .config.load import load, parse
    from .config.model import BackendConfig, Config, Loaded
    from .config.problem import ConfigError, Problem
    from .gateway.builder import Builder
    from .gateway.fleet import BackendFailed, SkippedBackend
    from .gateway.opening import open_gateway
    from .gateway.running import Gateway
    from .outside import Outside
    from .policies.compose import chain, stack
    from .policies.deadline import AttemptDeadline, Deadline
    from .policies.mirror import Mirror, Shadow
    from .protocol.calls import Back, Call, Caller, Handler, Layer, Reply
    from .protocol.clientele import Clientele
    from .protocol.faults import Cause, Fault
    from .protocol.question import Question
    from .routing.failover import Candidate, Failover
    from .sources import Sources

__all__ = [
    "AttemptDeadline",
    "Back",
    "Backend",
    "BackendConfig",
    "BackendFailed",
    "BackendSession",
    "Builder",
    "Call",
    "Caller",
    "Candidate",
    "Cause",
    "Clientele",
    "Config",
    "ConfigError",
    "ConnectFailed",
    "Connector",
    "Deadline",
    "Failover",
    "Fault",
    "Gateway",
    "Handler",
    "Inbox",
    "Layer",
    "Loaded",
    "Mirror",
    "Outside",
    "Problem",
    "Question",
    "Reply",
    "Shadow",
    "SkippedBackend",
    "Sources",
    "State",
    "StateChange",
    "chain",
    "load",
    "open_gateway",
    "parse",
    "stack",
]

_HOMES = {
    "backends.backend": ("Backend",),
    "backends.link": ("State", "StateChange"),
    "backends.session": ("BackendSession", "ConnectFailed", "Connector", "Inbox"),
    "gateway.builder": ("Builder",),
    "config.load": ("load", "parse"),
    "config.model": ("BackendConfig", "Config", "Loaded"),
    "config.problem": ("ConfigError", "Problem"),
    "gateway.fleet": ("BackendFailed", "SkippedBackend"),
    "gateway.opening": ("open_gateway",),
    "gateway.running": ("Gateway",),
    "outside": ("Outside",),
    "policies.compose": ("chain", "stack"),
    "policies.deadline": ("AttemptDeadline", "Deadline"),
    "policies.mirror": ("Mirror", "Shadow"),
    "protocol.calls": ("Back", "Call", "Caller", "Handler", "Layer", "Reply"),
    "protocol.clientele": ("Clientele",),
    "protocol.faults": ("Cause", "Fault"),
    "protocol.question": ("Question",),
    "routing.failover": ("Candidate", "Failover"),
    "sources": ("Sources",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
