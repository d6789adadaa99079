"""Roles, what leads to them, and tokens with rules of their own (CFG-91, CFG-93, CFG-94, LIM-25)."""

from __future__ import annotations

import hashlib

import pytest

from sluicegate.config.load import ConfigError, parse
from sluicegate.config.model import BearerAuth

HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "files"\ntransport = "stdio"\ncommand = "x"\n'
TOKEN = "0123456789abcdef0123"
HASH = f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"
JWT = '[auth]\ntype = "jwt"\nissuer = "https://i"\naudience = "a"\njwks_uri = "https://i/k"\n'
READER = '[[auth.roles]]\nname = "reader"\nallow_tools = ["files_read"]\n'


def scoped(*lines: str) -> str:
    return HEAD + "[[auth.scoped_tokens]]\n" + "".join(f"{line}\n" for line in lines)


def problems(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return {problem.path: f"{problem.what}; {problem.instead}" for problem in caught.value.problems}


def test_a_token_may_be_given_by_its_hash_and_have_a_name_an_end_roles_and_lists() -> None:
    text = scoped(f'hash = "{HASH}"', 'name = "ci"', 'roles = ["reader"]', 'deny_tools = ["*_delete"]', 'expires = "2999-01-01"') + READER
    loaded = parse(text)
    assert loaded.warnings == ()
    assert isinstance(loaded.config.auth, BearerAuth)
    (token,) = loaded.config.auth.scoped_tokens
    assert (token.digest, token.expires_at) == (hashlib.sha256(TOKEN.encode()).digest(), 32472144000.0)


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ([], "", "it needs either a token or a hash; 'sluicegate token new'"),
        ([f'token = "{TOKEN}"', f'hash = "{HASH}"'], "", "it has a token and a hash"),
        (['token = "a b"'], ".token", "a token must be visible ASCII"),
        (['hash = "sha256:AB"'], ".hash", "a hash is 'sha256:' and 64 digits"),
        ([f'hash = "{HASH.upper()}"'], ".hash", "a hash is 'sha256:' and 64 digits"),
        ([f'token = "{TOKEN}"', 'name = ""'], ".name", "a name is 1 to 64 visible"),
        ([f'token = "{TOKEN}"', 'name = "bearer-x"'], ".name", "does not begin with 'bearer-'"),
        ([f'token = "{TOKEN}"', 'expires = "soon"'], ".expires", "'soon' is no date and time"),
        ([f'token = "{TOKEN}"', 'expires = "2027-01-01T00:00:00"'], ".expires", "does not say in which zone"),
        ([f'token = "{TOKEN}"', 'roles = ["gone"]'], ".roles", "there is no role 'gone'"),
        ([f'token = "{TOKEN}"', 'allow_tools = ["files_[a"]'], ".allow_tools[0]", "invalid glob"),
        ([f'token = "{TOKEN}"', 'deny_resources = ["re:("]'], ".deny_resources[0]", "invalid regex"),
        ([f'token = "{TOKEN}"', 'deny_tools = [""]'], ".deny_tools[0]", "the pattern is empty"),
        ([f'token = "{TOKEN}"', 'allow_tools = ["read"]'], ".allow_tools[0]", "'read' is the name of nothing that there can be"),
        ([f'token = "{TOKEN}"', 'allow_prompts = ["files/ask"]'], ".allow_prompts[0]", "write 'files_ask'"),
    ],
)
def test_what_makes_no_sense_is_refused(lines: list[str], path: str, words: str) -> None:
    assert words in problems(scoped(*lines))[f"auth.scoped_tokens[0]{path}"]


def test_one_token_stands_once_whatever_it_is_written_as() -> None:
    """V7."""
    twice = HEAD + f'[auth]\ntokens = ["{TOKEN}"]\n[[auth.scoped_tokens]]\nhash = "{HASH}"\n'
    assert problems(twice)["auth.scoped_tokens[0]"].startswith("duplicate bearer token: the same as tokens[0]")
    twice = scoped(f'token = "{TOKEN}"') + f'[[auth.scoped_tokens]]\ntoken = "{TOKEN}"\n'
    assert problems(twice)["auth.scoped_tokens[1]"].startswith("duplicate bearer token: the same as scoped_tokens[0]")


def test_no_problem_shows_a_token() -> None:
    assert TOKEN not in str(problems(scoped(f'token = "{TOKEN}"', 'name = ""', 'roles = ["x"]')))


def test_a_role_is_defined_once_and_named_without_blanks() -> None:
    found = problems(HEAD + READER + READER + '[[auth.roles]]\nname = "a b"\n' + f'[auth]\ntokens = ["{TOKEN}"]\n')
    assert found["auth.roles[0].name"].startswith("duplicate role 'reader'")
    assert found["auth.roles[2].name"].startswith("the name of a role is a text without blanks")


def test_a_mapping_leads_to_roles_that_there_are() -> None:
    """RBAC-5: in other gateways a role that nobody has defined allows everything."""
    found = problems(HEAD + JWT + '[auth.role_mapping]\nclaim = "scope"\nmapping = { a = "gone" }\n')
    assert found["auth.role_mapping.mapping.a"].startswith("there is no role 'gone'; define it in [[auth.roles]]")
    found = problems(HEAD + JWT + '[auth.role_mapping]\nclaim = ""\nmapping = {}\n')
    assert found["auth.role_mapping.claim"].startswith("the claim must not be empty")
    assert found["auth.role_mapping.mapping"].startswith("it leads to no role")
    assert problems(HEAD + JWT + READER)["auth.roles"].startswith("nobody is given a role")


def test_who_has_no_role_may_do_nothing_unless_the_file_says_otherwise() -> None:
    """RBAC-4."""
    mapping = '[auth.role_mapping]\nclaim = "scope"\nmapping = { a = "reader" }\n'
    loaded = parse(HEAD + JWT + READER + mapping)
    assert loaded.warnings == ()
    assert loaded.config.auth is not None
    loaded = parse(HEAD + JWT + READER + mapping + "default_deny = false\n")
    (warning,) = loaded.warnings
    assert "auth.role_mapping.default_deny: whose token leads to no role may use everything" in warning


@pytest.mark.parametrize(("now", "is_told"), [(32472143999.0, False), (32472144000.0, True)])
def test_a_token_that_has_expired_is_told_of_by_the_time_of_day(now: float, is_told: bool) -> None:
    text = scoped(f'hash = "{HASH}"', 'name = "ci"', 'expires = "2999-01-01"')
    assert ["the token has expired" in warning for warning in parse(text, wall=lambda: now).warnings] == [True] * is_told


def test_what_is_probably_not_meant_is_a_warning() -> None:
    text = scoped('token = "short"', 'expires = "2001-01-01"', 'allow_tools = ["both", "files_read"]') + READER
    text += '[[composite_tools]]\nname = "both"\ndescription = "x"\ntools = ["files_read", "files_write"]\n'
    found = "\n".join(parse(text).warnings)
    assert "auth.scoped_tokens[0].token: the token has under 16 characters" in found
    assert "auth.scoped_tokens[0].expires: the token has expired" in found
    assert "auth.scoped_tokens[0]: 'both' may be called, but not what it calls: files_write; there it is refused" in found
    assert "auth.roles[0]: nobody is given the role 'reader'" in found
