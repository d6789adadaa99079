"""Whether the program of a stdio backend can be started from here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..backends import BackendConfig
from ..model import Config
from ..problem import Problem

__all__ = ["is_a_whole_line", "missing_programs"]


def is_a_whole_line(backend: BackendConfig) -> bool:
    """Whether ``command`` holds a program and its arguments, as for a shell. A path may have blanks in it."""
    command = backend.command or ""
    first, *rest = command.split()[:2] or [""]
    if not rest or _is_found(backend, command):
        return False
    return "/" not in first or _is_found(backend, first)


def missing_programs(config: Config) -> Iterator[Problem]:
    """Programs that this machine does not have, as warnings: the gateway may be going to run on another one."""
    for index, backend in enumerate(config.backends):
        command = backend.command
        if backend.transport != "stdio" or not backend.enabled or not command or _is_found(backend, command):
            continue
        what = f"the command '{command}' is not there" if "/" in command else f"the command '{command}' is not on the PATH"
        yield Problem(None, None, f"backends[{index}].command", what, "install it, or write its path")


def _is_found(backend: BackendConfig, command: str) -> bool:
    """Looked for as it will be when it is started: a path from ``cwd``, anything else on the PATH of the child."""
    try:
        if "/" in command:
            place = Path(backend.cwd or ".") / command
            return place.is_file() and os.access(place, os.X_OK)
        return shutil.which(command, path=_path_of(backend)) is not None
    except (OSError, ValueError):  # a name that no file can have
        return False


def _path_of(backend: BackendConfig) -> str:
    own = backend.env.get("PATH")
    return os.environ.get("PATH", os.defpath) if own is None else own.reveal()
