"""What is asked of the servers: each feature once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["EVERYTHING", "FEATURES", "OWN", "Asks"]

Asks = Mapping[str, Mapping[str, object]]
"""By feature: the tool, its arguments, the URI, the prompt."""

FEATURES = MappingProxyType(
    {
        "tools": "tools listed and called",
        "resources": "resources and templates listed, one read",
        "prompts": "prompts listed, one got",
        "completion": "an argument completed",
        "apps": "the view that a tool's ``_meta.ui`` names, read",
        "progress": "three notes of progress before the answer",
        "log": "a log line during the call",
        "sampling": "the server asks the client's model",
        "elicitation": "the server asks a person, with a form",
        "url": "the server sends a person to a URL",
        "roots": "the server asks for the client's roots",
        "cancel": "a call is taken back, and the tool is told",
        "subscribe": "a resource is subscribed to, and it changes",
        "list_changed": "a tool more, and the client hears of it",
        "tasks": "a call as a task of 2025-11-25, its state asked for until there is a result",
    }
)
"""Each and what is looked at, in the order in which clients look."""

OWN: Asks = MappingProxyType(
    {
        "tools": {"tool": "echo", "arguments": {"text": "grüezi"}},
        "resources": {"uri": "demo://item"},
        "prompts": {"prompt": "greet", "arguments": {"name": "Ada"}},
        "completion": {"prompt": "greet", "argument": "name", "value": "A"},
        "apps": {"tool": "view"},
        "progress": {"tool": "progress"},
        "log": {"tool": "log"},
        "sampling": {"tool": "sample"},
        "elicitation": {"tool": "elicit"},
        "url": {"tool": "elicit_url"},
        "roots": {"tool": "roots"},
        "cancel": {"tool": "slow", "then": "cancelled"},
        "subscribe": {"uri": "demo://item", "tool": "touch"},
        "list_changed": {"tool": "grow"},
    }
)
"""Of the servers in ``servers``, ``go`` and ``rust``."""

EVERYTHING: Asks = MappingProxyType(
    {
        "tools": {"tool": "echo", "arguments": {"message": "grüezi"}},
        "resources": {"uri": "demo://resource/static/document/features.md"},
        "prompts": {"prompt": "args-prompt", "arguments": {"city": "Bern"}},
        "completion": {"prompt": "completable-prompt", "argument": "department", "value": "E"},
        "progress": {"tool": "trigger-long-running-operation", "arguments": {"duration": 0.3, "steps": 3}},
        "log": {"tool": "toggle-simulated-logging"},
        "sampling": {"tool": "trigger-sampling-request", "arguments": {"prompt": "hi", "maxTokens": 10}},
        "elicitation": {"tool": "trigger-elicitation-request"},
        "url": {"tool": "trigger-url-elicitation", "arguments": {"url": "https://example.com/x", "message": "Go", "elicitationId": "e1"}},
        "roots": {"tool": "get-roots-list"},
        "subscribe": {"uri": "demo://resource/dynamic/text/1", "tool": "toggle-subscriber-updates"},
        "tasks": {"tool": "simulate-research-query", "arguments": {"topic": "tea"}},
    }
)
"""Of the reference server of the protocol's authors."""
