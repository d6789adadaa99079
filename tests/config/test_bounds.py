"""However deep, long or endless what a file holds or names: an error with its place, soon."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sluicegate.config.documents import read
from sluicegate.config.load import ConfigError, from_mcp_json, load, parse
from sluicegate.config.summary import summary

HEAD = '[proxy]\nname = "p"\n'
BACKEND = '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'
DEEP = "it is nested over 100 levels deep"
LEVELS = 5000


def told(text: str, format: str = "toml") -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, format="yaml" if format == "yaml" else "toml", name="f", environ={})
    return str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (HEAD + ".".join(["a"] * 3000) + " = 1\n", "f:3: this is no valid TOML: a key has over 100 parts"),
        (HEAD + "x = { 'b'." + " . ".join(["a"] * 300_000) + " = 1 }\n", "f:3: this is no valid TOML: a key has over 100 parts"),
        (HEAD + "\n[" + ".".join(["a"] * 3000) + "]\n", "f:4: this is no valid TOML: a key has over 100 parts"),
        (HEAD + "x = [\n" + "[" * LEVELS + "]" * LEVELS + "]\n", f"f:4: this is no valid TOML: {DEEP}"),
        (HEAD + "x = [\n" + "[" * 150 + "]" * 150 + "]\n", f"f:3: this is no valid TOML: {DEEP}"),
        (HEAD + "x = " + "{a=" * LEVELS + "1" + "}" * LEVELS, f"f:3: this is no valid TOML: {DEEP}"),
        (HEAD + BACKEND + 'args = ["' + "${" * LEVELS + "}" * LEVELS + '"]', "f:7: backends[0].args[0]: '${${"),
        (HEAD + BACKEND + 'hide_tools = ["' + "{a," * LEVELS + "}" * LEVELS + '"]', "f:7: backends[0].hide_tools[0]: the pattern has over"),
    ],
)
def test_what_is_nested_too_deeply_in_toml_has_its_line(text: str, place: str) -> None:
    assert told(text).startswith(place)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n  " + "[" * LEVELS + "]" * LEVELS, 2),
        ("a: " + "{a: " * LEVELS + "}" * LEVELS, 1),
        ("".join(" " * level + "a:\n" for level in range(1500)), 100),
        ("a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 300)), 299),
    ],
)
def test_what_is_nested_too_deeply_in_yaml_has_its_line(text: str, line: int) -> None:
    assert told(text, "yaml").startswith(f"f:{line}: this is no valid YAML: {DEEP}")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"mcpServers": {"a": {"command": "x", "env": [' + '{"b": ['])
def test_what_is_nested_too_deeply_in_a_clients_file_has_its_line(opening: str, tmp_path: Path) -> None:
    path = tmp_path / ".mcp.json"
    path.write_text("// servers\n" + opening * LEVELS)

    with pytest.raises(ConfigError) as caught:
        from_mcp_json(path)

    assert str(caught.value).startswith(f"{path}:2: this is no valid JSON: {DEEP}")


def test_yaml_without_end_is_not_read_to_its_end() -> None:
    began = time.process_time()

    assert "it has over 100000 values" in told("[" + "a," * 1_000_000, "yaml")
    assert time.process_time() - began < 20


@pytest.mark.parametrize("text", ["/* " * 200_000, '"\\' * 200_000, '"""' * 200_000, "//" * 200_000, '{"a": 1,' * 90 + "/*" * 100_000])
def test_what_is_never_closed_is_looked_for_once(text: str) -> None:
    began = time.process_time()

    assert read(text, "json", "f").problems
    assert read("a = " + text, "toml", "f").problems
    assert time.process_time() - began < 5


@pytest.mark.parametrize("value", ['{"a": 1// one\n}', '{"a": true/* two */}', '{"a":/**/1}'])
def test_a_comment_may_follow_a_value_at_once(value: str) -> None:
    assert read(value, "json", "f").problems == ()


@pytest.mark.parametrize("value", ['{"a": 1} /* open', '{"a": 1} /*/', '{"a": 1} "open'])
def test_a_comment_that_is_never_closed_is_an_error(value: str) -> None:
    assert read(value, "json", "f").problems


def test_a_message_shows_only_so_much_of_a_file() -> None:
    assert len(told(HEAD + '"' + "a b." * 100_000 + '" = 1\n')) < 2000
    assert len(told(HEAD + BACKEND + f'hide_tools = ["re:{"(" * 4000}"]')) < 2000


def backends(of_one: Callable[[int], str], count: int) -> str:
    return HEAD + "".join(
        f'[[backends]]\nname = "b{number}"\ntransport = "stdio"\ncommand = "x"\n{of_one(number)}\n' for number in range(count)
    )


@pytest.mark.parametrize(
    "of_one",
    [
        lambda number: "timeout.seconds = 20",
        lambda number: f'failover_for = "b{number - 1}"' if number % 2 else "",
        lambda number: f'failover_for = "c{number}x"',
        lambda number: 'canary_of = "b0"\nweight = 1' if number else "",
        lambda number: 'namespace = "same"',
        lambda number: f'namespace = "{"_".join("a" * (number % 60 + 1))}"',
        lambda number: "comand = 3",
        lambda number: f'env = {{ X = "${{NOT_SET_{number}}}" }}',
    ],
    ids=["good", "stand-ins", "unknown names", "canaries", "one namespace", "prefixes of others", "unknown keys", "unset variables"],
)
def test_four_thousand_backends_are_checked_in_linear_time(of_one: Callable[[int], str]) -> None:
    """What takes a second for 4 000 takes no tenfold of what 400 take, or so; the machine may be busy."""
    spent = {}
    for count in (500, 4000):
        text = backends(of_one, count)
        began = time.process_time()
        with suppress(ConfigError):
            loaded = parse(text, environ={})
            summary(loaded.config, loaded.warnings)
        spent[count] = time.process_time() - began
    assert spent[4000] < 24 * spent[500]


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "terminal").symlink_to("/dev/tty")
    return tmp_path


@pytest.mark.parametrize("name", ["fifo", "device", "terminal"])
def test_a_pipe_or_a_device_is_no_file_to_take_a_value_from(name: str, odd_files: Path) -> None:
    gate = odd_files / "gate.toml"
    gate.write_text(HEAD + BACKEND + f'env = {{ X = "${{file:{name}}}" }}\ntls.ca = "{name}"\n')

    with pytest.raises(ConfigError) as caught:
        load(gate)

    assert f"{gate}:7: backends[0].env.X: the file '{odd_files}/{name}' cannot be read: " in str(caught.value)


@pytest.mark.parametrize("name", ["fifo", "device"])
def test_a_pipe_or_a_device_is_no_certificate_and_no_clients_file(name: str, odd_files: Path) -> None:
    gate = odd_files / "gate.toml"
    tls = f'proxy.import_backends = "{name}"\nproxy.name = "p"\nproxy.listen.tls.certificate = "{name}"\n'
    gate.write_text(tls + '[[backends]]\nname = "a"\ntransport = "http"\nurl = "https://h"\ntls.ca = "' + name + '"\n')

    with pytest.raises(ConfigError) as caught:
        load(gate)

    text = str(caught.value)
    assert "proxy.listen.tls.certificate: " in text
    assert "backends[0].tls.ca: " in text
    assert "importing backends failed" in text
    assert text.count("it is a pipe, a socket or a device, not a regular file") == 3
