"""How each client writes its file: where its servers stand, what its members mean, and in which unit its times are.

One table per client. What stands nowhere here is a member that is named and left out. Sources: the clients themselves in November 2026
(Claude Code 2.1, Cline 3.0, Codex 0.171, Copilot CLI 1.0, Gemini CLI 0.61, OpenCode 1.18, Qwen Code 0.24 as installed; Amazon Q, Continue,
Goose, VS Code and Zed by their code).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

from ..problem import KeyPath

__all__ = ["CLIENTS", "ClientFormat", "Meaning", "Time", "Word"]

Meaning: TypeAlias = Literal[
    "transport",
    "command",
    "args",
    "env",
    "env_file",
    "passed_variables",  # names of variables that the program gets if they are set
    "needed_variables",  # names of variables without which it is not started
    "cwd",
    "url",
    "stream_url",  # an address that certainly speaks Streamable HTTP
    "headers",
    "header_variables",  # by header, the variable that holds its value
    "bearer",
    "bearer_variable",
    "off",
    "on",
    "only",  # the tools that may be seen
    "but",  # the tools that may not
    "nothing",  # it asks the gateway for nothing
]
"""What a member of a server says to the gateway."""


@attrs.frozen
class Time:
    """A member that holds a time limit."""

    limits: Literal["start", "calls", "both"]
    unit: float | None
    """Seconds; None where nobody can know without knowing the client."""


Word: TypeAlias = "Meaning | Time"
_MS = 0.001


@attrs.frozen
class ClientFormat:
    """One client's way of writing."""

    name: str
    holders: tuple[KeyPath, ...]
    """Where its servers stand; ``*`` is any key. An empty path is the whole file."""
    words: Mapping[str, Word]
    """Its members, dotted where they stand inside of others."""
    files: tuple[str, ...] = ()
    """Ends of the paths at which it looks for its file."""
    marks: frozenset[str] = frozenset()
    """Members that only its servers have."""
    settings: bool = False
    """Whether the file holds the client's other settings, too, which are not meant for us."""
    listed: bool = False
    """Whether its servers are a list, and each has its name inside."""
    bare_url: Literal["http", "sse"] = "http"
    """What an address without a transport speaks."""
    references: Literal["shell", "braces", "dollars", "none"] = "shell"
    """``${NAME}``; ``{env:NAME}``; ``$NAME`` as well as ``${NAME}``; or nothing is put in."""
    excluded: tuple[KeyPath, ...] = ()
    """Lists of servers that are off; a ``*`` is the same key as in the holder."""
    allowed: tuple[KeyPath, ...] = ()
    """Lists of the only servers that are on."""
    common_time: tuple[str, Time] | None = None
    """A key of the file that holds for every server."""


_USUAL: dict[str, Word] = {
    "type": "transport",
    "transport": "transport",
    "transportType": "transport",
    "command": "command",
    "args": "args",
    "env": "env",
    "envFile": "env_file",
    "cwd": "cwd",
    "url": "url",
    "serverUrl": "url",
    "headers": "headers",
    "disabled": "off",
    "enabled": "on",
    "isActive": "on",
}
_CLINE: dict[str, Word] = {f"transport.{member}": _USUAL[member] for member in ("type", "command", "args", "env", "cwd", "url", "headers")}
_GEMINI: dict[str, Word] = {"httpUrl": "stream_url", "includeTools": "only", "excludeTools": "but"}
_COPILOT: dict[str, Word] = {"tools": "only"}
_AMAZON: dict[str, Word] = {"disabledTools": "but"}
_ZED: dict[str, Word] = {"command.path": "command", "command.args": "args", "command.env": "env", "source": "nothing"}
_CONTINUE: dict[str, Word] = {
    "name": "nothing",
    "apiKey": "bearer",
    "requestOptions.headers": "headers",
    "requestInit.headers": "headers",
}
_ANY: dict[str, Word] = _USUAL | _CLINE | _GEMINI | _COPILOT | _AMAZON | _ZED | _CONTINUE
"""Where many clients have the same holder: whoever wrote it, a list of tools that are hidden hides them."""
_UNTOLD: dict[str, Word] = {"timeout": Time("both", None)}

CLIENTS: tuple[ClientFormat, ...] = (
    ClientFormat(
        "Claude Code",
        (("mcpServers",), ("projects", "*", "mcpServers")),
        _ANY | {"timeout": Time("both", _MS)},
        files=("/.claude.json",),
        marks=frozenset({"headersHelper"}),
        excluded=(("projects", "*", "disabledMcpjsonServers"), ("projects", "*", "disabledMcpServers")),
    ),
    ClientFormat(
        "Cline",
        (("mcpServers",),),
        _ANY | {"timeout": Time("both", 1)},
        files=("/cline_mcp_settings.json",),
        marks=frozenset({"transport.type"}),
        bare_url="sse",
    ),
    ClientFormat(
        "Qwen Code",
        (("mcpServers",),),
        _ANY | {"timeout": Time("both", _MS)},
        files=("/.qwen/settings.json",),
        bare_url="sse",
        references="dollars",
        excluded=(("mcp", "excluded"),),
        allowed=(("mcp", "allowed"),),
        settings=True,
    ),
    ClientFormat(
        "Gemini CLI",
        (("mcpServers",),),
        _ANY | {"timeout": Time("both", _MS)},
        files=("/.gemini/settings.json", "/gemini-extension.json"),
        marks=frozenset(_GEMINI),
        bare_url="sse",
        references="dollars",
        excluded=(("mcp", "excluded"), ("excludeMCPServers",)),
        allowed=(("mcp", "allowed"), ("allowMCPServers",)),
        settings=True,
    ),
    ClientFormat(
        "Copilot CLI",
        (("mcpServers",),),
        _ANY | {"timeout": Time("both", _MS)},
        files=("/.copilot/mcp-config.json", "/mcp-config.json"),
        marks=frozenset(_COPILOT),
    ),
    ClientFormat(
        "Amazon Q",
        (("mcpServers",),),
        _ANY | {"timeout": Time("both", _MS)},
        files=("/.amazonq/mcp.json", "/amazonq/mcp.json", "/.amazonq/default.json", "/amazonq/default.json"),
        marks=frozenset({"oauthScopes"}),
        settings=True,
    ),
    ClientFormat(
        "Continue",
        (("mcpServers",),),
        _ANY | {"connectionTimeout": Time("start", _MS)},
        listed=True,
        settings=True,
    ),
    ClientFormat("", (("mcpServers",),), _ANY | _UNTOLD),
    ClientFormat(
        "VS Code",
        (("mcp", "servers"), ("settings", "mcp", "servers"), ("servers",)),
        _ANY | _UNTOLD,
        files=("/.vscode/mcp.json",),
    ),
    ClientFormat(
        "Zed",
        (("context_servers",),),
        _USUAL | _ZED | {"timeout": Time("both", 1)},
        references="none",
        common_time=("context_server_timeout", Time("both", 1)),
        settings=True,
    ),
    ClientFormat(
        "Codex",
        (("mcp_servers",),),
        _USUAL
        | {
            "http_headers": "headers",
            "env_http_headers": "header_variables",
            "bearer_token_env_var": "bearer_variable",
            "env_vars": "passed_variables",
            "enabled_tools": "only",
            "disabled_tools": "but",
            "startup_timeout_sec": Time("start", 1),
            "startup_timeout_ms": Time("start", _MS),
            "tool_timeout_sec": Time("calls", 1),
        },
        references="none",
        settings=True,
    ),
    ClientFormat(
        "Goose",
        (("extensions",),),
        _USUAL
        | {
            "cmd": "command",
            "envs": "env",
            "env_keys": "needed_variables",
            "uri": "url",
            "available_tools": "only",
            "name": "nothing",
            "timeout": Time("both", 1),
        },
        settings=True,
    ),
    ClientFormat(
        "OpenCode",
        (("mcp",),),
        _USUAL | {"environment": "env", "timeout": Time("both", _MS)},
        references="braces",
        settings=True,
    ),
    ClientFormat("", ((),), _ANY | _UNTOLD),
)
"""Before others who have the same holder stands who is known by more. A client without a name is any."""
