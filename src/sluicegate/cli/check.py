"""``sluicegate check``: read a configuration and say what it means, or everything that is wrong with it."""

from __future__ import annotations

import os
from typing import Any

import click

from ..config.checks.programs import missing_programs
from ..config.checks.whole import refuse_open_bind
from ..config.load import Loaded
from ..config.problem import ConfigError, Problem
from ..config.summary import environments, summary
from .configuration import Choice, choose_configuration
from .json_text import print_json

__all__ = ["command"]


@click.command("check", short_help="Read a configuration and say what it means.")
@choose_configuration
@click.option("--connect", is_flag=True, help="Also start every backend and say what it offers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(choice: Choice, *, connect: bool, as_json: bool) -> int:
    """Read a configuration without starting anything, and say what it means.

    Exits with 1 and all errors at once if something is wrong. What this version does not build yet is a warning here; `run` refuses it.
    """
    try:
        loaded = choice.load()
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": [_fields(problem) for problem in error.problems]})
        return 1
    warnings = [*loaded.warnings, *map(str, loaded.planned)]
    if refused := refuse_open_bind(loaded.config):  # with a configuration that goes with --stdio, or with --insecure-no-auth, all is well
        warnings.append(str(loaded.placed(refused)))
    warnings += (str(loaded.placed(problem)) for problem in missing_programs(loaded.config))
    backends = _connect(loaded) if connect else None
    ok = backends is None or all(entry["state"] == "ready" and not entry["mistakes"] for entry in backends)
    if as_json:
        known: dict[str, Any] = {"ok": ok, "problems": [], "warnings": warnings, "name": loaded.config.proxy.name}
        known["environment"] = environments(loaded.config, os.environ)
        print_json(known | ({} if backends is None else {"backends": backends}))
    else:
        print(summary(loaded.config, warnings, os.environ))
        if backends is not None:
            _print_backends(backends)
    return 0 if ok else 1


def _fields(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "what": problem.what,
        "instead": problem.instead,
    }


def _connect(loaded: Loaded) -> list[dict[str, Any]]:
    """Start every backend once; what came of each."""
    if loaded.planned:
        raise ConfigError(loaded.planned)
    from .live import look_at_backends

    return look_at_backends(loaded.config)


def _print_backends(backends: list[dict[str, Any]]) -> None:
    from .live import print_backends

    print("\n  Connected:")
    print_backends(backends)
