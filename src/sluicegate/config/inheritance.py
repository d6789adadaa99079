"""Which variables of the gateway's own environment a child process sees.

A gateway's environment holds the keys of all its backends, so a child gets what a program needs to run and nothing else: what the SDKs of MCP
give (``mcp.client.stdio`` and its TypeScript twin), and where things are, the way out, whom to believe, and what ``npx``, ``uvx`` and
``docker`` ask for to find their files.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from .problem import Problem

__all__ = ["Inherit", "inherited", "is_common", "wrong_names"]

Inherit: TypeAlias = bool | tuple[str, ...]
"""True: everything that no other part of the file names; false: ``PATH`` alone; names: the usual ones and these."""

_ON_WINDOWS = (
    *("APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE", "SYSTEMDRIVE", "SYSTEMROOT"),
    *("TEMP", "USERNAME", "USERPROFILE"),
)
_OF_THE_SDKS = _ON_WINDOWS if sys.platform == "win32" else ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
_PLACES = ("LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TMP", "TEMP", "XDG_*", "DISPLAY", "WAYLAND_DISPLAY", "DOCKER_HOST", "DOCKER_CONFIG")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE")
_LAUNCHERS = ("NPM_CONFIG_CACHE", "NPM_CONFIG_PREFIX", "NPM_CONFIG_USERCONFIG", "UV_CACHE_DIR", "UV_TOOL_DIR", "UV_PYTHON_INSTALL_DIR")
_REGISTRIES = ("NPM_CONFIG_REGISTRY", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Where launchers fetch packages; only while there is no password in the address."""

_IN_EITHER_CASE = (*_PROXIES, *_LAUNCHERS, *_REGISTRIES)
_COMMON = (*_OF_THE_SDKS, *_PLACES, *_CERTIFICATES, *_IN_EITHER_CASE, *(name.lower() for name in _IN_EITHER_CASE))
_GUARDED = frozenset({*_REGISTRIES, *(name.lower() for name in _REGISTRIES)})
_WITH_PASSWORD = re.compile(r"[a-z]+://[^/@]*@", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def inherited(choice: Inherit, environ: Mapping[str, str], withheld: Collection[str] = ()) -> dict[str, str]:
    """What of an environment a child gets.

    Args:
        choice: the backend's ``inherit_env``.
        environ: the gateway's own environment.
        withheld: what other parts of the configuration name in ``${…}``, and a child that gets everything does not get.
    """
    if choice is False:
        return {"PATH": environ.get("PATH", os.defpath)}
    if choice is True:
        return {name: value for name, value in environ.items() if name not in withheld or is_common(name)}
    found = {name: value for name, value in environ.items() if is_common(name) and not _holds_more(name, value)}
    return found | {name: value for name, value in environ.items() if _matches(name, choice)}


def is_common(name: str) -> bool:
    """Whether every child sees the variable anyway, so that it is no secret."""
    return _matches(name, _COMMON)


def wrong_names(choice: Inherit) -> Iterable[Problem]:
    """What of a list cannot be the name of a variable; the paths begin with its position."""
    for index, name in enumerate(choice if isinstance(choice, tuple) else ()):
        if not _NAME.fullmatch(name):
            what = f"'{name}' is no name of a variable"
            yield Problem(None, None, f"[{index}]", what, 'write a name, or its beginning and a star, as in "AWS_*"; true for everything')


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in patterns)


def _holds_more(name: str, value: str) -> bool:
    """Whether it is a function of a shell, or a password that nobody asked for."""
    return value.startswith("()") or (name in _GUARDED and _WITH_PASSWORD.match(value) is not None)
