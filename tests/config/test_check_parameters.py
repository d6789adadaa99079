"""What is wrong with rules for the parameters of tools, as far as a file says it."""

from __future__ import annotations

import pytest

from sluicegate.config.checks.whole import problems
from sluicegate.config.load import ConfigError, parse

HEAD = '[proxy]\nname = "p"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'
TOKENS = '[auth]\ntype = "bearer"\ntokens = ["0123456789abcdef0123"]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('inject_args = [{ tool = "", args = {} }]', "backends[0].inject_args[0].tool: no tool is named"),
        ('param_overrides = [{ tool = "" }]', "backends[0].param_overrides[0].tool: no tool is named"),
        ('param_overrides = [{ tool = "t" }, { tool = "t" }]', "backends[0].param_overrides[0].tool: 't' has 2 entries; put them into one"),
        ('param_overrides = [{ tool = "t", rename = { a = "" } }]', "backends[0].param_overrides[0].rename.a: a parameter needs a name"),
        (
            'param_overrides = [{ tool = "t", rename = { a = "c", b = "c" } }]',
            "backends[0].param_overrides[0].rename.a: two parameters are to be called 'c'",
        ),
        (
            'param_overrides = [{ tool = "t", hide = ["a"], rename = { a = "c" } }]',
            "backends[0].param_overrides[0].rename.a: 'a' is hidden and renamed",
        ),
        ('default_args = { by = ["${principal.subject}"] }', "backends[0].default_args: callers have no names without an [auth] table"),
        ('default_args = { by = "${principal.email}" }', "backends[0].default_args: this is nothing that is known of a caller"),
        (
            'default_args = { by = "${header.X Tenant}" }',
            "backends[0].default_args: '${header.X Tenant}' names no header; write ${header.N",
        ),
        ('default_args = { by = "${header.}" }', "backends[0].default_args: '${header.}' names no header"),
        ('default_args = { by = { "${header.X-A}" = 1 } }', "backends[0].default_args: a place stands in a name; put it into a text"),
        ('default_args = { by = [{ "${principal.key}" = 1 }] }', "backends[0].default_args: a place stands in a name; put it into a text"),
        (
            'inject_args = [{ tool = "t", args = { a = "Bearer ${header.Authorization}" } }]',
            "backends[0].inject_args[0].args: the header 'Authorization' may let somebody in, and no tool is given it; name one that",
        ),
    ],
)
def test_rules_that_contradict_themselves_are_told_of_with_their_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + text, name="f")
    assert any(str(found).startswith(f"f:7: {problem}") for found in caught.value.problems), caught.value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("default_args = 3", "f:7: backends[0].default_args: no table stands where a table of arguments is expected"),
        ("default_args = { a = 2026-11-30 }", "f:7: backends[0].default_args: a date, a time or binary data stands where a value of JSON"),
        ("default_args = { a = [nan] }", "f:7: backends[0].default_args: the number is too large for many programs"),
        ("default_args = { a = 9007199254740993 }", "f:7: backends[0].default_args: the number is too large for many programs"),
        ("inject_args = 3", "f:7: backends[0].inject_args: a number stands where a list of tables is expected"),
        ("inject_args = [{ args = {} }]", "f:7: backends[0].inject_args[0].tool: the key 'tool' is missing"),
        ("param_overrides = [{ tol = 't' }]", "f:7: backends[0].param_overrides[0].tol: unknown key 'tol'; did you mean 'tool'?"),
        ("param_overrides = [{ tool = 't', rename = { a = 1 } }]", "f:7: backends[0].param_overrides[0].rename.a: a number stands where"),
        ("namespace = '${principal.subject}'", "f:7: backends[0].namespace: '${principal.subject}' is no reference that the gateway knows"),
    ],
)
def test_what_cannot_be_read_is_an_error(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + text, name="f")
    assert any(str(problem).startswith(error) for problem in caught.value.problems), caught.value


@pytest.mark.parametrize(
    "name",
    [
        *(
            "authorization",
            "Proxy-Authorization",
            "Cookie",
            "set-cookie",
            "X-Api-Key",
            "apikey",
            "x-auth-token",
            "X-Forwarded-Access-Token",
        ),
        *("Mcp-Session-Id", "Cf-Access-Jwt-Assertion", "X-Auth", "X-Auth-Key", "X-Client-Secret", "X-Hub-Signature-256"),
    ],
)
def test_a_header_that_lets_somebody_in_is_given_to_no_tool(name: str) -> None:
    with pytest.raises(ConfigError, match="may let somebody in"):
        parse(f'{HEAD}default_args = {{ a = ["${{header.{name}:-x}}"] }}')


@pytest.mark.parametrize(
    "name", ["X-Tenant", "X-Forwarded-User", "X-Auth-Request-Email", "Accept-Language", "X-Forwarded-For", "Idempotency-Key"]
)
def test_a_header_that_only_says_something_may_be_given_to_a_tool(name: str) -> None:
    assert problems(parse(f'{HEAD}default_args = {{ a = ["${{header.{name}:-x}}"] }}').config) == []


def test_rules_that_make_sense_are_taken() -> None:
    text = 'param_overrides = [{ tool = "t", hide = ["b"], rename = { a = "b", c = "a" } }]\ndefault_args = { by = "${principal.key}" }\n'
    assert problems(parse(HEAD + text + TOKENS).config) == []
