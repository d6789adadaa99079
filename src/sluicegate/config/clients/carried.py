"""What a client's server is given on its way: variables of its program, headers of its requests, and a token."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..documents import Unreadable
from ..folders import settled
from ..problem import KeyPath
from ..regular_files import regular_text
from .formats import Meaning
from .imported import Imported, LeftOut
from .said import Said

__all__ = ["headers_of", "text_of_number", "variables_of", "warn_of_idle"]

_MAX_ENV_FILE = 1024 * 1024
_PROGRAM: tuple[Meaning, ...] = ("env", "env_file", "passed_variables", "needed_variables", "cwd")
_REQUEST: tuple[Meaning, ...] = ("headers", "header_variables", "bearer", "bearer_variable")


def text_of_number(value: Any) -> Any:
    """Clients accept numbers and flags where a process or a header takes text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def warn_of_idle(said: Said, transport: str, imported: Imported) -> None:
    """Name what means nothing to this transport."""
    for meaning in _REQUEST if transport == "stdio" else _PROGRAM:
        given = said.meanings.pop(meaning, None)
        if given is not None and given.value:
            imported.warn(given.path, f"this means nothing to a server reached over {transport} and is left out")


def variables_of(said: Said, environ: Mapping[str, str], folder: Path) -> Any:
    """The environment that the file asks for: its own members before those of a file of variables. A null is a variable that is not set."""
    env = said.value("env")
    if env is not None and not isinstance(env, dict):
        return env  # for the rules of every backend to complain of
    found: dict[str, Any] = dict(_from_file(said, folder))
    for name in _names(said, "passed_variables"):
        if name in environ:
            found[name] = environ[name]
    for name in _names(said, "needed_variables"):
        if name not in (env or {}):
            found[name] = _set(name, environ, said.path("needed_variables", ()))
    for name, value in (env or {}).items():
        found[str(name)] = text_of_number(value)
    return {name: value for name, value in found.items() if value is not None}


def headers_of(said: Said, environ: Mapping[str, str]) -> dict[str, Any]:
    """``headers`` and ``bearer_token``, as far as they are given."""
    headers, named = said.value("headers"), said.value("header_variables")
    if isinstance(headers, dict):
        headers = {str(name): text_of_number(value) for name, value in headers.items() if value is not None}
    if isinstance(named, dict):
        path = said.path("header_variables", ())
        headers = (headers or {}) | {str(name): _set(variable, environ, (*path, str(name))) for name, variable in named.items()}
    found = {"headers": headers} if headers else {}
    if (variable := said.value("bearer_variable")) is not None:
        return found | {"bearer_token": _set(variable, environ, said.path("bearer_variable", ()))}
    return found | ({} if said.value("bearer") is None else {"bearer_token": said.value("bearer")})


def _from_file(said: Said, folder: Path) -> Mapping[str, str | None]:
    name = said.value("env_file")
    if not isinstance(name, str) or not name:
        return {}
    import io

    import dotenv

    path = Path(settled(folder, name))
    try:
        text = regular_text(path, _MAX_ENV_FILE)
    except Unreadable as why:
        raise LeftOut(said.path("env_file", ()), f"the file '{path}' cannot be read: {why}", "name a file with lines NAME=value") from None
    return dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False)


def _names(said: Said, meaning: Meaning) -> list[str]:
    """Names of variables; a client may write them as ``{"name": …}``, too."""
    value, path = said.value(meaning), said.path(meaning, ())
    if value is None:
        return []
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in value] if isinstance(value, list) else [None]
    if not all(isinstance(name, str) for name in names):
        raise LeftOut(path, "this is no list of variables", 'write ["NAME"]')
    return [str(name) for name in names]


def _set(name: Any, environ: Mapping[str, str], path: KeyPath) -> str:
    if not isinstance(name, str):
        raise LeftOut(path, "this is no name of a variable", 'write "NAME"')
    if not environ.get(name):
        raise LeftOut(path, f"the environment variable '{name}' is not set", "set it")
    return environ[name]
