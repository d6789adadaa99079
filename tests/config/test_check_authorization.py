"""What must hold of ``[auth]`` where callers come with tokens of an authorization server."""

from __future__ import annotations

import pytest

from sluicegate.config.checks.callers import caller_warnings
from sluicegate.config.dump import dump
from sluicegate.config.load import ConfigError, parse
from sluicegate.config.model import OAuthAuth, ToolScopes
from sluicegate.config.secrets import secrets_of

HEAD = "[proxy]\nname = 'p'\n[[backends]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\n"
OAUTH = "[auth]\ntype = 'oauth'\nissuer = 'https://id.example'\naudience = 'https://gate.example/mcp'\n"
ASKS = OAUTH + "token_validation = 'introspection'\nclient_id = 'gate'\nclient_secret = 'very-secret'\n"


def test_an_authorization_server_is_asked_about_itself_where_nothing_else_is_said() -> None:
    auth = parse(HEAD + OAUTH).config.auth
    assert auth == OAuthAuth(issuer="https://id.example", audience="https://gate.example/mcp")
    assert auth.verifies
    assert not auth.asks


def test_the_secret_of_the_client_is_not_shown() -> None:
    config = parse(HEAD + ASKS).config
    assert isinstance(config.auth, OAuthAuth)
    assert config.auth.client_secret == "very-secret"
    assert "very-secret" in secrets_of(config)
    assert "very-secret" not in dump(config)


def test_scopes_are_for_all_and_for_some_tools() -> None:
    text = ASKS + "required_scopes = ['mcp']\n[[auth.tool_scopes]]\ntools = ['files_write*']\nscopes = ['mcp:write']\n"
    auth = parse(HEAD + text).config.auth
    assert isinstance(auth, OAuthAuth)
    assert (auth.required_scopes, auth.tool_scopes) == (("mcp",), (ToolScopes(tools=("files_write*",), scopes=("mcp:write",)),))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (ASKS.replace("https://id", "http://id"), "f:9: auth.issuer: clients are sent there, so it is an https address"),
        (ASKS.replace("https://id.example", "https://id.example?a"), "f:9: auth.issuer: clients are sent there, so it is an https address"),
        (
            ASKS + "introspection_endpoint = 'http://id.example/i'\n",
            "f:14: auth.introspection_endpoint: tokens are sent there over TLS alone",
        ),
        (ASKS.replace("client_id = 'gate'\n", ""), "f:7: auth.client_id: who asks about tokens has to show who he is"),
        (ASKS.replace("client_secret = 'very-secret'\n", ""), "f:12: auth.client_id: who asks about tokens has to show who he is"),
        (ASKS + "required_scopes = ['a b']\n", "f:14: auth.required_scopes[0]: a scope is visible ASCII without blanks"),
        (ASKS + "[[auth.tool_scopes]]\ntools = ['{a']\nscopes = ['b']\n", "f:15: auth.tool_scopes[0].tools[0]: "),
        (ASKS + "[[auth.tool_scopes]]\ntools = ['a']\nscopes = []\n", "f:16: auth.tool_scopes[0].scopes: an empty list says nothing"),
        (ASKS + "[[auth.tool_scopes]]\ntools = []\nscopes = ['a']\n", "f:15: auth.tool_scopes[0].tools: an empty list says nothing"),
        (ASKS + "[[auth.tool_scopes]]\ntools = ['a']\n", "f:14: auth.tool_scopes[0].scopes: the key 'scopes' is missing"),
        (
            ASKS + "introspection_cache_seconds = 301\n",
            "f:14: auth.introspection_cache_seconds: auth.introspection_cache_seconds must be 0-300",
        ),
        (ASKS + "jwks_uri = 'https://i/k'\nkey_files = ['k']\n", "f:14: auth.jwks_uri: keys are named twice"),
        ("[proxy]\nname = 'p'\nlisten = { host = '0.0.0.0' }\n" + HEAD[19:] + ASKS, "proxy.public_url: clients must learn the address"),
    ],
)
def test_a_mistake_about_an_authorization_server_is_told_with_what_to_write(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text if text.startswith("[proxy]") else HEAD + text, name="f")

    assert any(error in str(problem) for problem in caught.value.problems), caught.value


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (ASKS, []),
        (OAUTH + "client_id = 'x'\n", ["auth.client_id"]),
        (OAUTH + "introspection_endpoint = 'https://id.example/i'\n", ["auth.introspection_endpoint"]),
        (ASKS + "jwks_uri = 'https://id.example/k'\n", ["auth.jwks_uri"]),
    ],
)
def test_what_has_no_effect_is_told(text: str, warned: list[str]) -> None:
    assert [problem.path for problem in caller_warnings(parse(HEAD + text).config, 0.0)] == warned


@pytest.mark.parametrize(("public_url", "warns"), [("https://gate.example", False), ("https://gate.example/gw", True)])
def test_tokens_that_clients_do_not_ask_for_are_warned_of(public_url: str, warns: bool) -> None:
    config = parse(HEAD.replace("name = 'p'", f"name = 'p'\npublic_url = '{public_url}'") + ASKS).config
    assert [problem.path for problem in caller_warnings(config, 0.0)] == ["auth.audience"] * warns
