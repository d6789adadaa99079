"""``sluicegate token new`` and ``sluicegate access explain``."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "files"\ntransport = "stdio"\ncommand = "x"\naliases = [{ from = "rm", to = "remove" }]\n'
ROLES = """\
[[auth.roles]]
name = "reader"
allow_tools = ["*_read"]
allow_resources = ["file:///docs/**"]
[[auth.roles]]
name = "operator"
deny_tools = ["files_rm"]
"""
JWT = """\
[auth]
type = "jwt"
issuer = "https://i"
audience = "a"
jwks_uri = "https://i/k"
[auth.role_mapping]
claim = "realm.roles"
mapping = { r = "reader", o = "operator" }
"""


@pytest.fixture
def bearer(tmp_path: Path) -> str:
    path = tmp_path / "bearer.toml"
    tokens = '[[auth.scoped_tokens]]\ntoken = "0123456789abcdef0123"\nname = "ci"\nroles = ["reader"]\ndeny_tools = ["files_secret_*"]\n'
    path.write_text(HEAD + tokens + ROLES.partition('[[auth.roles]]\nname = "operator"')[0])
    return str(path)


@pytest.fixture
def jwt(tmp_path: Path) -> str:
    path = tmp_path / "jwt.toml"
    path.write_text(HEAD + JWT + ROLES)
    return str(path)


def test_a_new_token_is_printed_with_the_hash_that_knows_it(sluicegate: Command) -> None:
    code, out, err = sluicegate("token", "new")
    token, _, table = out.partition("\n\n")
    assert (code, err) == (0, "")
    assert tomllib.loads(table)["auth"]["scoped_tokens"] == [{"hash": f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"}]
    assert len(token) == len("sg_") + 43
    assert token != sluicegate("token", "new")[1].partition("\n")[0]
    as_json = json.loads(sluicegate("token", "new", "--json")[1])
    assert as_json["hash"] == f"sha256:{hashlib.sha256(as_json['token'].encode()).hexdigest()}"


def test_a_token_is_explained_with_its_roles_and_the_rule(sluicegate: Command, bearer: str) -> None:
    code, out, _ = sluicegate("access", "explain", "-c", bearer, "--token", "0123456789abcdef0123", "--tool", "files_read")
    assert (code, out) == (
        0,
        "caller:   ci\nroles:    reader, token\ntool:     files_read\nallowed:  yes\n  'reader' has allow_tools = \"*_read\"\n",
    )
    code, out, _ = sluicegate("access", "explain", "-c", bearer, "--token", "0123456789abcdef0123", "--tool", "files_secret_read")
    assert code == 1
    assert "allowed:  no\n  'reader' has allow_tools = \"*_read\"\n  'token' has deny_tools = \"files_secret_*\"\n" in out
    assert "answer:   Token is not authorized to call tool: files_secret_read\n" in out


def test_a_role_is_explained(sluicegate: Command, jwt: str) -> None:
    code, out, _ = sluicegate("access", "explain", "-c", jwt, "--role", "operator", "--tool", "files_remove")
    assert code == 1, "an alias is denied by the name behind it"
    assert "  'operator' allows everything that is not denied\n  'operator' has deny_tools = \"files_rm\"\n" in out
    assert sluicegate("access", "explain", "-c", jwt, "--role", "operator", "--tool", "files_read")[0] == 0
    code, out, _ = sluicegate("access", "explain", "-c", jwt, "--role", "reader", "--resource", "files+file:///docs/../etc/passwd")
    assert (code, "no allow list has it" in out) == (1, True)
    assert sluicegate("access", "explain", "-c", jwt, "--role", "reader", "--resource", "files+file:///docs/a")[0] == 0
    code, out, _ = sluicegate("access", "explain", "-c", jwt, "--role", "reader", "--prompt", "files_ask")
    assert (code, "Role 'reader' is not authorized to get prompt: files_ask" in out) == (1, True)


def test_claims_are_explained_from_a_file_or_a_signed_token(sluicegate: Command, jwt: str, tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text(json.dumps({"sub": "ann", "realm": {"roles": ["r"]}}))
    code, out, _ = sluicegate("access", "explain", "-c", jwt, "--claims", "claims.json", "--tool", "files_read")
    assert (code, out.splitlines()[:2]) == (0, ["caller:   ann", "roles:    reader"])
    body = base64.urlsafe_b64encode(json.dumps({"sub": "bob"}).encode()).rstrip(b"=").decode()
    code, out, _ = sluicegate("access", "explain", "-c", jwt, "--token", f"e30.{body}.x", "--tool", "files_read", "--json")
    found = json.loads(out)
    assert (code, found["caller"], found["roles"], found["allowed"]) == (1, "bob", ["none, and one is needed"], False)
    assert "carries no recognized role" in found["words"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--role", "gone", "--tool", "x"], "there is no role 'gone'; there are: reader, operator"),
        (["--role", "reader"], "name one thing: --tool, --resource or --prompt"),
        (["--tool", "x"], "say who: with --token, --role or --claims"),
        (["--token", "abc", "--tool", "x"], "the token is no JWT"),
        (["--token", "a.b.c", "--tool", "x"], "its middle part is no JSON object"),
    ],
)
def test_what_cannot_be_explained_is_said(sluicegate: Command, jwt: str, arguments: list[str], words: str) -> None:
    code, _, err = sluicegate("access", "explain", "-c", jwt, *arguments)
    assert code in {1, 2}
    assert words in err


def test_a_token_that_nobody_knows_is_not_shown(sluicegate: Command, bearer: str) -> None:
    code, out, err = sluicegate("access", "explain", "-c", bearer, "--token", "nobody-knows-this-one", "--tool", "x")
    assert (code, "none of auth.tokens" in err, "nobody-knows" in out + err) == (1, True, False)
