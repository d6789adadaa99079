"""What is said of what a backend is shown, and what is to be written instead (CFG-70)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.config.dump import dump
from sluicegate.config.load import ConfigError, load, parse
from sluicegate.config.secrets import secrets_of

HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "http"\nurl = "https://a.test/mcp"\n'
CLIENT = 'type = "client_credentials", client_id = "g", client_secret = "s3cret"'


def auth(text: str) -> str:
    return f"{HEAD}auth = {{ {text} }}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (auth('type = "header"'), 'auth.value: auth of type "header" requires value; add value'),
        (auth('type = "header", value = "x", client_id = "g"'), 'auth.client_id: client_id has no effect with type = "header"; leave it out'),
        (auth('type = "header", header = "a b", value = "x"'), "auth.header: invalid header name"),
        (auth('type = "header", value = "a\\nb"'), "auth.value: invalid value for a header"),
        (auth('type = "basic"'), 'write "header" or "client_credentials" or "private_key_jwt" or "authorization_code" or "token_exchange" or "identity"'),
        (auth(CLIENT), "auth.issuer: a secret goes only to a server that is named here"),
        (auth(CLIENT + ', issuer = "http://id.test"'), "auth.issuer: this is no https address"),
        (auth(CLIENT + ', issuer = "https://id.test", scopes = ["a b"]'), "auth.scopes[0]: this is no scope"),
        (auth(CLIENT + ', issuer = "https://id.test", key = "k"'), "auth.key: key has no effect"),
        (auth('type = "private_key_jwt", client_id = "g"'), 'auth.key: auth of type "private_key_jwt" requires key'),
        (auth('type = "private_key_jwt", client_id = "g", key = "/none/k.pem"'), "auth.key: '/none/k.pem' cannot be read"),
        (auth('type = "header", value = "x"') + 'bearer_token = "t"\n', "auth: auth and bearer_token both set Authorization"),
        (auth('type = "header", value = "x"') + 'headers = { authorization = "t" }\n', "auth: auth and headers both set Authorization"),
        (auth('type = "header", header = "X-A", value = "x"') + 'headers = { x-a = "t" }\n', "auth: auth and headers both set X-A"),
        (auth('type = "header", value = "x"').replace("//a", "//u:p@a"), "auth: auth and the user in url both set Authorization"),
        (auth('type = "authorization_code", client_id = "g", client_secret = "s3cret"'), "auth.client_secret: a secret goes only to a server"),
        (auth('type = "authorization_code", client_metadata_url = "http://g.test/c"'), "auth.client_metadata_url: this is no https address"),
        (auth('type = "token_exchange", client_id = "g", client_secret = "s3cret"'), "auth.issuer: a caller's token goes only to a server"),
        (auth('type = "token_exchange", client_id = "g", issuer = "https://id.test"'), "auth.client_secret: the gateway shows a secret or a signature"),
        (auth('type = "identity", client_id = "g"'), 'auth.client_id: client_id has no effect with type = "identity"'),
        (auth('type = "identity"') + "forward_auth = true\n", "auth: forward_auth and auth both say what is shown"),
        (
            HEAD.replace('"http"', '"websocket"').replace("https:", "wss:") + "forward_auth = true\n",
            'forward_auth: over websocket a backend is told who calls when the connection is made, which all clients share; add sessions = "per_client"',
        ),
        (auth('type = "header", value = "x", valeu = "y"'), "unknown key 'valeu'"),
        (
            '[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\nauth = { type = "header", value = "x" }\n',
            "'auth' has no effect with transport 'stdio'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_what_to_write(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        auth('type = "header", value = "Bearer x"'),
        auth('type = "header", header = "X-Key", value = "k"') + 'bearer_token = "t"\n',
        auth(CLIENT + ', issuer = "https://id.test", scopes = ["a", "b:c"], resource = "https://a.test"'),
        auth(CLIENT + ', token_endpoint = "http://127.0.0.1:9/token"'),
        HEAD + "[backends.auth]\n" + CLIENT.replace(", ", "\n") + '\nissuer = "https://id.test"\n',
    ],
)
def test_what_can_work_is_taken_and_written_back(text: str) -> None:
    loaded = parse(text)
    assert loaded.warnings == ()
    assert parse(dump(loaded.config, secrets=True)).config == loaded.config


def test_secrets_are_known_as_such() -> None:
    config = parse(auth(CLIENT + ', issuer = "https://id.test"')).config
    assert "s3cret" in secrets_of(config)
    assert "s3cret" not in dump(config)
    config = parse(auth('type = "header", value = "Bearer k3y"')).config
    assert {"k3y", "Bearer k3y"} <= secrets_of(config)
    assert "k3y" not in dump(config)


def test_a_key_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "gate.key").write_text("x")
    (tmp_path / "gate.toml").write_text(auth('type = "private_key_jwt", client_id = "g", key = "gate.key"'))
    config = load(tmp_path / "gate.toml").config
    assert config.backends[0].auth is not None
    assert config.backends[0].auth.key == str(tmp_path / "gate.key")


@pytest.mark.parametrize("more", ["forward_auth = true\n", 'auth = { type = "identity" }\n'])
def test_who_is_told_of_callers_where_nobody_says_who_he_is_is_warned_of(more: str) -> None:
    (warning,) = parse(HEAD + more).warnings
    assert "there is no [auth], so nobody has to say who he is" in str(warning)
    assert parse(HEAD + more + '[auth]\ntype = "bearer"\ntokens = ["0123456789abcdef0123"]\n').warnings == ()


def test_who_exchanges_tokens_where_callers_show_none_that_could_be_is_warned_of() -> None:
    exchange = 'auth = { type = "token_exchange", client_id = "g", client_secret = "s", issuer = "https://id.test" }\n'
    (warning,) = parse(HEAD + exchange + '[auth]\ntype = "bearer"\ntokens = ["0123456789abcdef0123"]\n').warnings
    assert "callers show no token here that could be exchanged" in str(warning)
