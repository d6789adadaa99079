"""Where a key stands in a file, in three languages."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from sluicegate.config.documents import Document, Unreadable, read, text_of
from sluicegate.config.jsonc import BadJson
from sluicegate.config.jsonc import read as read_jsonc
from sluicegate.config.problem import Problem, dotted, line_of

TOML = '''\
# [not.a.table]
[proxy]
name = "a # b = c"   # x = 1
"quoted key" = 1

[proxy.listen]
port = 1
[[backends]]
name = "a"
args = [
  "x = 1",  # [[backends]]
  "]",
]
text = """
[[backends]]
y = "2" """
timeout = { seconds = 5 }
[[backends]]
a.b = 1
[backends.restart]
crash_limit = 1
[[backends.aliases]]
from = "1"
[[backends.aliases]]
from = \'\'\'
\'\'\'
to = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("proxy", 2),
        ("proxy.name", 3),
        ('proxy."quoted key"', 4),
        ("proxy.listen.port", 7),
        ("backends", 8),
        ("backends[0]", 8),
        ("backends[0].args", 10),
        ("backends[0].args[1]", 10),
        ("backends[0].text", 14),
        ("backends[0].timeout.seconds", 17),
        ("backends[0].command", 8),
        ("backends[1].a.b", 19),
        ("backends[1].restart.crash_limit", 21),
        ("backends[1].aliases[0].from", 23),
        ("backends[1].aliases[1].from", 25),
        ("backends[1].aliases[1].to", 27),
        ("nowhere", None),
    ],
)
def test_a_toml_key_has_its_line_or_that_of_its_table(path: str, line: int | None) -> None:
    assert line == line_of(path, read(TOML, "toml", "f").lines)


def test_windows_line_ends_count_once() -> None:
    document = read(TOML.replace("\n", "\r\n"), "toml", "f")

    assert document.lines["backends[1].aliases[1].to"] == 27


def test_a_yaml_key_has_its_line() -> None:
    document = read("proxy:\n  name: a\nbackends:\n  - name: a\n    env: {X: y,\n      Z: w}\n", "yaml", "f")

    assert {"proxy.name": 2, "backends[0].name": 4, "backends[0].env.Z": 6}.items() <= dict(document.lines).items()


@pytest.mark.parametrize(
    ("text", "format", "line"),
    [
        ("[proxy]\nname = \n", "toml", 2),
        ("[proxy]\nname = 1\nname = 2\n", "toml", 3),
        ("a: b\nc: [\n", "yaml", 3),
        ("a: b\na: c\n", "yaml", 2),
        ('{"a": 1,\n "a": 2}', "json", 2),
        ('{"a": 1\n "b": 2}', "json", 2),
    ],
)
def test_a_mistake_in_the_syntax_has_its_line(text: str, format: str, line: int) -> None:
    (problem,) = read(text, format, "f").problems

    assert line == problem.line
    assert str(problem).startswith(f"f:{line}: ")


@pytest.mark.parametrize(
    "text", ["&a [*a]", "!!python/object:os.system {}", "x: !!binary ü", "\x01", "2024-99-99: 1\nd: 2024-99-99", "? [a]\n: b"]
)
def test_odd_yaml_is_a_problem_and_never_a_traceback(text: str) -> None:
    document = read(text, "yaml", "f")

    assert isinstance(document, Document)


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: [1, *a]}", "proxy: &p\n  name: x\n  listen: *p\n"])
def test_a_yaml_value_that_contains_itself_is_a_problem(text: str) -> None:
    (problem,) = read(text, "yaml", "f").problems

    assert (problem.line, "an alias names what it stands in" in problem.what) == (1, True)


def test_aliases_that_would_make_billions_of_values_are_a_problem() -> None:
    levels = "\n".join(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]" for last, name in itertools.pairwise("abcdefghij"))

    (problem,) = read(f"a: &a [x]\n{levels}\n", "yaml", "f").problems

    assert "aliases" in problem.what


def test_a_value_that_yaml_names_twice_is_read_twice() -> None:
    assert read("a: &a {b: 1}\nc: *a\n", "yaml", "f").value == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "format", "told"),
    [
        ("a = 1\na = 2\n", "toml", "a key is given twice"),
        (f"a = {'9' * 5000}\n", "toml", "a number is too long"),
        (f"a: {'9' * 5000}\n", "yaml", "a number is too long"),
        ("a: 1\n---\nb: 2\n", "yaml", "there is a second document"),
    ],
)
def test_what_the_parsers_say_is_put_plainly(text: str, format: str, told: str) -> None:
    assert told in read(text, format, "f").problems[0].what


def test_a_file_that_is_too_long_to_be_a_configuration_is_not_read_whole(tmp_path: Path) -> None:
    long = tmp_path / "long.toml"
    with long.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(Unreadable, match="over 16 MiB"):
        text_of(long)


@pytest.mark.parametrize(("format", "head"), [("toml", "a = "), ("yaml", "a: "), ("json", '{"a": ')])
def test_a_file_nested_too_deeply_is_a_problem(format: str, head: str) -> None:
    document = read(head + "[" * 20_000, format, "f")

    assert document.problems


def test_json_may_have_comments_and_trailing_commas_but_not_in_its_texts() -> None:
    text = '\ufeff{ // one\n\t"a": "// no /* comment */ ,]", /* two\n lines */ "b": [1, 2, ],\n "c": {"d": 1,},\n}'

    document = read_jsonc(text)

    assert document.value == {"a": "// no /* comment */ ,]", "b": [1, 2], "c": {"d": 1}}
    assert document.lines == {"a": 2, "b": 3, "c": 4, "c.d": 4}


@pytest.mark.parametrize("text", ["", "{", '{"a" 1}', "[,]", '{"a": 1,, "b": 2}', '"', "/*", "nul", "1" * 5000])
def test_what_is_no_json_even_so_is_refused(text: str) -> None:
    with pytest.raises(BadJson):
        read_jsonc(text)


@pytest.mark.parametrize("format", ["toml", "yaml", "json"])
def test_arbitrary_text_never_crashes_the_readers(format: str) -> None:
    """TST-P1, P2."""
    chance = random.Random("arbitrary text")
    letters = "ab[]{}=\"'\\\n\t #,:.-&*!|>%@`0\x00é\U0001f600\ud800"
    for _ in range(300):
        text = "".join(chance.choice(letters) for _ in range(chance.randrange(60)))
        assert isinstance(read(text, format, "f"), Document)
        assert isinstance(read('[proxy]\nname = "x"\n' + text, format, "f"), Document)


def test_a_path_is_written_as_in_toml() -> None:
    assert dotted(("a", 1, "b", "c.d", 'e"f')) == 'a[1].b."c.d"."e\\"f"'


def test_a_problem_is_one_line() -> None:
    assert str(Problem("f", 3, "a.b", "what\nis wrong", "write this")) == "f:3: a.b: what is wrong; write this"
    assert str(Problem(None, None, "a", "no")) == "a: no"
    assert str(Problem("f", None, "\x1b[31mred", "no")) == "f: \ufffd[31mred: no"


def test_a_table_that_is_given_twice_is_told_once() -> None:
    document = read('{"a": {"b": 1, "c": 2},\n "a": {"b": 3, "c": 4}}', "json", "f")

    assert [problem.path for problem in document.problems] == ["a"]
