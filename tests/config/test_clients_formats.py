"""Each client's file, as that client writes it (``clients/``): what runs, with what, and what is named as left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from sluicegate.config.backends import BackendConfig, TimeoutSettings
from sluicegate.config.clients.formats import CLIENTS
from sluicegate.config.load import from_mcp_json

FIXTURES = Path(__file__).parent / "clients"
ENVIRON = {"TOKEN": "tok", "ZONE": "UTC"}


def stdio(name: str, command: str, *args: str, **settings: Any) -> BackendConfig:
    return BackendConfig(name, "stdio", command=command, args=args, **settings)


def http(name: str, url: str | None = None, **settings: Any) -> BackendConfig:
    return BackendConfig(name, "http", url=url or f"https://{name}.example/mcp", **settings)


def sse(name: str) -> BackendConfig:
    return BackendConfig(name, "sse", url=f"https://{name}.example/sse")


def seconds(both: float) -> dict[str, Any]:
    return {"timeout": TimeoutSettings(both), "connect_timeout_seconds": max(both, 30.0)}


CASES: dict[str, tuple[str, list[BackendConfig], list[str]]] = {
    "claude_code.json": (
        ".claude.json",
        [
            http("wiki", headers={"Authorization": "Bearer tok"}, **seconds(60)),
            http("pasted", "http://127.0.0.1:9/mcp"),
            http("helped"),
            stdio("db", "db-server", "--port", "5432"),
            stdio("old", "old", enabled=False),
            stdio("db (blog)", "other-db", namespace="db-blog"),
        ],
        ["mcpServers.pasted.command", "mcpServers.helped.headersHelper", 'projects."/home/ann/blog".mcpServers.inside.type'],
    ),
    "vscode.json": (
        ".vscode/mcp.json",
        [stdio("plain", "npx", "-y", "p", env={"D": "d # d", "B": "2", "C": "{folder}"}), http("far")],
        ["inputs", "servers.plain.dev", "servers.asks.headers.X-Key"],
    ),
    "vscode_settings.json": ("settings.json", [stdio("plain", "plain")], []),
    "zed.json": (
        "settings.json",
        [
            stdio("flat", "flat", "${HOME}", env={"A": "b"}, **seconds(45)),
            stdio("nested", "nested", "-x", env={"C": "d"}, **seconds(90)),
            http("far", headers={"X-Key": "k"}, **seconds(45)),
            stdio("off", "${NOT_SET}", enabled=False),
        ],
        ["context_servers.far.oauth", "context_servers.extension"],
    ),
    "cline.json": (
        "cline_mcp_settings.json",
        [
            stdio("st", "npx", "-y", "srv", cwd="/srv", env={"A": "b"}, **seconds(90)),
            http("far", headers={"X-Key": "k"}),
            sse("old"),
            stdio("legacy", "legacy"),
            sse("bare"),
        ],
        ["mcpServers.legacy.autoApprove"],
    ),
    "gemini.json": (
        ".gemini/settings.json",
        [
            stdio(
                "some",
                "some",
                "--key",
                "tok",
                env={"P": "pa$word", "Q": "tok"},
                cwd="{folder}/.gemini/work",
                expose_tools=("read", r"a\*b"),
                **seconds(600),
            ),
            http("less", hide_tools=("rm",)),
            http("typed"),
            sse("bare"),
            stdio("off", "${NOT_SET}", enabled=False),
        ],
        ["mcpServers.less.trust"],
    ),
    "qwen.json": (
        ".qwen/settings.json",
        [http("some", headers={"X-Key": "tok"}, **seconds(45)), sse("bare"), stdio("other", "other", enabled=False)],
        [],
    ),
    "codex.toml": (
        "config.toml",
        [
            stdio(
                "plain",
                "plain",
                "${NOT_SET}",
                env={"ZONE": "UTC", "A": "b"},
                connect_timeout_seconds=40,
                timeout=TimeoutSettings(90.5),
                expose_tools=("look",),
            ),
            http(
                "tools/db:main.v1@x",
                "https://far.example/mcp",
                namespace="tools-db-main-v1-x",
                bearer_token="tok",
                headers={"X-Region": "eu", "X-Zone": "UTC"},
                connect_timeout_seconds=50,
            ),
            stdio("off", "off", enabled=False),
        ],
        ["mcp_servers.poor.bearer_token_env_var"],
    ),
    "opencode.jsonc": (
        "opencode.jsonc",
        [
            stdio("x", "npx", "-y", "p", env={"KEY": "tok"}, **seconds(60)),
            http("far", headers={"X-Key": "k"}),
            stdio("off", "off", enabled=False),
        ],
        [],
    ),
    "goose.yaml": (
        "config.yaml",
        [
            stdio("files", "files-server", "--root", "/srv", env={"TOKEN": "tok", "A": "b"}, **seconds(300)),
            http("far", headers={"X-Key": "k"}, expose_tools=("look",)),
            stdio("idle", "gone", enabled=False),
        ],
        ["extensions.files.description", "extensions.developer.type", "extensions.poor.env_keys"],
    ),
    "amazon_q.json": (
        ".amazonq/mcp.json",
        [stdio("plain", "plain", env={"A": "b"}, hide_tools=("rm",), **seconds(120)), http("far"), stdio("off", "off", enabled=False)],
        ["mcpServers.far.oauthScopes"],
    ),
    "continue.yaml": (
        "config.yaml",
        [
            stdio("files", "files-server", "/srv", env={"KEY": "tok"}, cwd="/srv", connect_timeout_seconds=40),
            http("far", bearer_token="k1", headers={"X-Key": "k2"}),
            sse("old"),
        ],
        [],
    ),
    "copilot.json": (
        "mcp-config.json",
        [
            stdio("plain", "plain", env={"A": "tok"}, **seconds(70)),
            http("far", expose_tools=("look", "find")),
            stdio("none", "none", hide_tools=("**",)),
        ],
        [],
    ),
    "bare.json": ("servers.json", [stdio("a", "a", "x"), sse("b"), http("c")], []),
}


@pytest.mark.parametrize("fixture", CASES)
def test_each_clients_file_is_read_as_that_client_means_it(fixture: str, tmp_path: Path) -> None:
    file, backends, left_out = CASES[fixture]
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((FIXTURES / fixture).read_bytes())
    (tmp_path / ".env").write_text("# variables\nexport D='d # d'\nA=of the file\n")

    loaded = from_mcp_json(path, environ=ENVIRON)

    assert [_placed(backend, tmp_path) for backend in backends] == list(loaded.config.backends)
    named = [
        warning.removeprefix(f"{path}:").partition(": ")[2].partition(": ")[0] for warning in loaded.warnings if str(path) + ":" in warning
    ]
    assert sorted(left_out) == sorted(named)


def _placed(backend: BackendConfig, folder: Path) -> BackendConfig:
    """What names the folder of the test, with that."""
    env = {key: value.reveal().replace("{folder}", str(folder)) for key, value in backend.env.items()}
    return attrs.evolve(backend, env=env, cwd=backend.cwd and backend.cwd.replace("{folder}", str(folder)))


def test_every_client_of_the_table_has_a_file_here() -> None:
    named = {client.name.lower().replace(" ", "_").removesuffix("_cli").removesuffix("_code") for client in CLIENTS if client.name}
    have = {fixture.partition(".")[0].removesuffix("_code") for fixture in CASES}

    assert {name.replace("vs", "vscode") for name in named} <= have
    assert {path.name for path in FIXTURES.iterdir()} == set(CASES)
