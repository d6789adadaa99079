"""Servers under test: the fixture itself, and gateways in front of it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey
from scripts.benchmark.processes import free_port, running

from .install import everything_server

__all__ = ["OTHER_ERA", "PLACES", "configuration", "fixture", "gateway_before", "over_http", "settings"]

SERVING = r"(http://[0-9.]+:\d+)"
OTHER_ERA = "other era"
PARKING = "[security]\nmax_parked_calls = 16\n"
ADAPTER = Path(__file__).with_name("adapter.py")
TASKS_SERVER = Path(__file__).with_name("tasks_server.py")


def _path() -> str:
    return f"{everything_server()}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)


def settings(revision: str) -> str:
    """Of a backend that is spoken to in that revision, and may ask its clients in every one."""
    return f'revision = "{revision}"\nsessions = "{"shared" if revision == "2026-07-28" else "per_client"}"\n'


@contextmanager
def fixture(folder: Path, revision: str = "") -> Iterator[str]:
    """The SDK's server with all that the suite looks for, over HTTP; its URL. It speaks all revisions."""
    del revision
    port = free_port()
    command = [sys.executable, "-m", "mcp_everything_server", "--port", str(port), "--log-level", "WARNING"]
    with running("fixture", command, folder, port=port, env={"PYTHONPATH": _path()}):
        yield f"http://localhost:{port}/mcp"


def over_http(url: str, name: str = "everything", namespace: str = "", more: str = "") -> str:
    """A backend."""
    return f'[[backends]]\nname = "{name}"\nnamespace = "{namespace}"\ntransport = "http"\nurl = "{url}"\n{more}'


def _over_stdio(name: str = "everything", namespace: str = "", more: str = "") -> str:
    command = [sys.executable, "-c", "from mcp_everything_server.server import mcp; mcp.run()"]
    return (
        f'[[backends]]\nname = "{name}"\nnamespace = "{namespace}"\ntransport = "stdio"\n'
        f"command = {json.dumps(command[0])}\nargs = {json.dumps(command[1:])}\nenv = {{ PYTHONPATH = {json.dumps(_path())} }}\n{more}"
    )


def configuration(folder: Path, *backends: str) -> Path:
    """The file of a gateway with these tables."""
    file = folder / "gateway.toml"
    file.write_text(f'[proxy]\nname = "conformance"\n[proxy.listen]\nport = 0\n{"".join(backends)}', encoding="utf-8")
    return file


@contextmanager
def gateway_before(folder: Path, *backends: str) -> Iterator[str]:
    """A gateway with these tables of a configuration; its URL."""
    file = configuration(folder, *backends)
    with running("gateway", [sys.executable, "-m", "sluicegate", "run", "-c", file], folder, says=SERVING) as program:
        yield f"{program.url.replace('127.0.0.1', 'localhost')}/mcp"


@contextmanager
def _alone(folder: Path, revision: str) -> Iterator[str]:
    with fixture(folder) as url, gateway_before(folder, over_http(url, more=settings(revision))) as through:
        yield through


@contextmanager
def _with_decoy(folder: Path, revision: str) -> Iterator[str]:
    """A second server that has everything too, under a prefix: nothing of it may get in the way."""
    with fixture(folder) as url, gateway_before(folder, _over_stdio("decoy", "decoy"), over_http(url, more=settings(revision))) as through:
        yield through


@contextmanager
def _prefixed(folder: Path, revision: str) -> Iterator[str]:
    """The names have a prefix, which an adapter between suite and gateway takes away again."""
    with fixture(folder) as url, gateway_before(folder, over_http(url, namespace="every", more=settings(revision))) as through:
        port = free_port()
        with running("adapter", [sys.executable, ADAPTER, str(port), through, "every"], folder, port=port):
            yield f"http://localhost:{port}/mcp"


@contextmanager
def _stdio(folder: Path, revision: str) -> Iterator[str]:
    with gateway_before(folder, _over_stdio(more=settings(revision))) as through:
        yield through


@contextmanager
def _other_era(folder: Path, revision: str) -> Iterator[str]:
    """The backend is spoken to in a revision of the other era than the suite's, so everything is translated."""
    other = "2025-11-25" if revision == "2026-07-28" else "2026-07-28"
    with fixture(folder) as url, gateway_before(folder, PARKING, over_http(url, more=settings(other))) as through:
        yield through


@contextmanager
def _with_token(folder: Path, revision: str) -> Iterator[str]:
    """Callers come with tokens of an authorization server, which an adapter shows for the suite. Its ``Host`` is the adapter's, as behind a reverse proxy."""
    key = ECKey.generate_key("P-256", {"kid": "k"})
    (folder / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}), encoding="utf-8")
    audience = "https://gate.example/mcp"
    claims = {"iss": "https://id.example", "sub": "suite", "aud": audience, "scope": "mcp", "exp": int(time.time()) + 3600}
    token = jwt.encode({"alg": "ES256", "kid": "k", "typ": "at+jwt"}, claims, key)
    auth = f'[auth]\ntype = "oauth"\nissuer = "https://id.example"\naudience = "{audience}"\nkey_files = ["keys.json"]\nrequired_scopes = ["mcp"]\n'
    with fixture(folder) as url, gateway_before(folder, auth, over_http(url, more=settings(revision))) as through:
        port = free_port()
        with running("adapter", [sys.executable, ADAPTER, str(port), through, "", token], folder, port=port):
            yield f"http://localhost:{port}/mcp"


PLACES: dict[str, Callable[[Path, str], AbstractContextManager[str]]] = {
    "direct": fixture,
    "alone": _alone,
    "decoy": _with_decoy,
    "prefixed": _prefixed,
    "stdio": _stdio,
    "tokens": _with_token,
    OTHER_ERA: _other_era,
}
"""The first is what the others are measured by."""


@contextmanager
def _tasks(folder: Path, revision: str = "") -> Iterator[str]:
    """A server that has the extension for tasks, and nothing else; its URL."""
    del revision
    port = free_port()
    with running("tasks", [sys.executable, TASKS_SERVER, str(port)], folder, port=port):
        yield f"http://localhost:{port}/mcp"


@contextmanager
def _tasks_alone(folder: Path, revision: str) -> Iterator[str]:
    with _tasks(folder) as url, gateway_before(folder, over_http(url, "tasks", more=settings(revision))) as through:
        yield through


TASK_PLACES: dict[str, Callable[[Path, str], AbstractContextManager[str]]] = {"direct": _tasks, "alone": _tasks_alone}
"""The same for the server that has tasks."""
