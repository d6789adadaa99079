"""No secret of a configuration is in anything that is printed: a canary is put wherever one may stand, and looked for everywhere."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.config.load import ConfigError, Loaded, dump, from_mcp_json, load
from sluicegate.config.model import BearerAuth
from sluicegate.config.secrets import secrets_of
from sluicegate.config.summary import summary
from sluicegate.gateway.builder import Builder
from sluicegate.settings.secret import Secret

CANARY = "CANARY-3b1f9c7d5e"
ENVIRON = {"SECRET": CANARY, "PART": CANARY}
GOOD = f"""\
[proxy]
name = "gate"
[auth]
type = "bearer"
tokens = ["{CANARY}", "${{SECRET}}-2", "${{file:token}}-3"]
[[backends]]
name = "one"
transport = "stdio"
command = "one"
args = ["--key={CANARY}", "${{SECRET}}"]
env = {{ KEY = "{CANARY}", OTHER = "${{SECRET}}" }}
[[backends]]
name = "two"
transport = "http"
url = "https://user:{CANARY}@two.example/mcp?key=${{SECRET}}"
bearer_token = "{CANARY}"
headers = {{ X-Key = "${{SECRET}}" }}
[[backends]]
name = "three"
transport = "stdio"
command = "three"
cwd = "${{SECRET:-here}}"
"""
MISTAKES = {
    "a token twice": ('tokens = ["', f'tokens = ["{CANARY}", "'),
    "a token with a space": ('tokens = ["', f'tokens = ["{CANARY} x", "'),
    "one token and no list": (f'tokens = ["{CANARY}", "${{SECRET}}-2", "${{file:token}}-3"]', f'tokens = "{CANARY}"'),
    "tokens in a table": ("tokens = [", f'tokens = [{{ token = "{CANARY}" }}, '),
    "a token of two kinds": ("[auth]", f'[auth]\nscoped_tokens = ["{CANARY}"]'),
    "a header with a line break": ("X-Key = ", 'X-Other = "${SECRET}\\n", X-Key = '),
    "headers in a list": ('headers = { X-Key = "${SECRET}" }', f'headers = ["X-Key: {CANARY}"]'),
    "headers over stdio": ('command = "three"', f'command = "three"\nheaders = {{ X-Key = "{CANARY}" }}'),
    "a bearer token with a space": (f'bearer_token = "{CANARY}"', f'bearer_token = "{CANARY} x"'),
    "a bearer token in a list": (f'bearer_token = "{CANARY}"', f'bearer_token = ["{CANARY}"]'),
    "variables in a list": ('command = "three"', f'command = "three"\nenv = ["KEY={CANARY}"]'),
    "a variable that is no name": ('command = "three"', f'command = "three"\nenv = {{ "KEY={CANARY}" = "x" }}'),
    "arguments in one text": ('command = "three"', f'command = "three"\nargs = "--key {CANARY}"'),
    "an impossible address": ("https://user", "smoke://user"),
    "a default behind a bad name": ("${SECRET:-here}", f"${{no name:-{CANARY}}}"),
    "a default that is never closed": ("${SECRET:-here}", f"${{SECRET:-{CANARY}"),
    "a wrong number from the environment": ('command = "three"', 'command = "three"\npriority = "${SECRET}"'),
    "a wrong choice from the environment": ('name = "gate"', 'name = "gate"\n[observability]\nlog_level = "${SECRET}"\n[proxy.listen]'),
    "planned, and of the wrong kind": ("[auth]", f'[security]\nadmin_token = ["{CANARY}"]\n[auth]'),
    "a syntax error after it": (f'bearer_token = "{CANARY}"', f'bearer_token = "{CANARY}" "'),
    "a syntax error in it": (f'bearer_token = "{CANARY}"', f"bearer_token = {CANARY}"),
}


def outcome(read: Callable[[], Loaded]) -> str:
    """Everything that is said about a configuration, or about why there is none."""
    try:
        loaded = read()
    except ConfigError as error:
        return "\n".join([repr(error), *traceback.format_exception(error), *map(repr, error.problems)])
    return "\n".join([summary(loaded.config, loaded.warnings), repr(loaded), dump(loaded.config), *map(str, loaded.planned)])


@pytest.fixture(autouse=True)
def token_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)


def test_a_configuration_is_shown_without_its_secrets(tmp_path: Path) -> None:
    gate = tmp_path / "gate.toml"
    gate.write_text(GOOD.replace("cwd", "# cwd"))
    config = load(gate, environ=ENVIRON).config
    assert config.backends[0].args == (f"--key={CANARY}", CANARY)
    assert isinstance(config.auth, BearerAuth)
    assert set(config.auth.tokens) == {CANARY, f"{CANARY}-2", f"{CANARY}-3"}

    told = outcome(lambda: load(gate, environ=ENVIRON))

    assert "https://two.example/mcp" in told
    assert CANARY not in told


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_error_shows_no_secret(mistake: str, tmp_path: Path) -> None:
    old, new = MISTAKES[mistake]
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    gate = tmp_path / "gate.toml"
    gate.write_text(text)

    told = outcome(lambda: load(gate, environ=ENVIRON))

    assert "ConfigError" in told
    assert CANARY not in told


@pytest.mark.parametrize(
    "server",
    [
        '{"command": "x", "env": {"K": "CANARY"}, "args": ["CANARY", "${env:SECRET}"]}',
        '{"command": "x", "env": ["K=CANARY"]}',
        '{"command": "x", "env": {"K": ["CANARY"]}}',
        '{"url": "https://h/?CANARY", "headers": {"A": "Bearer CANARY"}}',
        '{"url": "no address CANARY", "headers": {"A": "CANARY\\n"}}',
        '{"url": "https://h", "headers": "A: CANARY", "apiKey": "CANARY"}',
        '{"type": "CANARY", "url": "https://h"}',
        '{"command": "x", "env": {"K": "${env:a b:-CANARY}"}}',
    ],
)
def test_a_clients_file_is_shown_without_its_secrets(server: str, tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text('{"mcpServers": {"a": ' + server.replace("CANARY", CANARY) + "}}")

    assert CANARY not in outcome(lambda: from_mcp_json(path, environ=ENVIRON))


def test_a_program_gives_secrets_as_texts_or_as_secrets() -> None:
    builder = Builder("gate")
    builder.backend("a", "https://a.example/mcp", bearer_token=Secret(CANARY), headers={"X-A": Secret(CANARY)})
    builder.backend("b", "https://b.example/mcp", bearer_token=CANARY, headers={"X-A": CANARY})
    config = builder.config()
    first, second = config.backends
    assert first.headers == second.headers == {"X-A": Secret(CANARY)}
    assert (first.bearer_token, second.bearer_token) == (Secret(CANARY), Secret(CANARY))
    assert CANARY in secrets_of(config)
