"""A file becomes a configuration, or everything that is wrong with it at once."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.config.load import ConfigError, Loaded, dump, load, parse
from sluicegate.config.model import AliasConfig, TimeoutSettings

HEAD = '[proxy]\nname = "p"\n'
BACKEND = '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'

EVERYTHING_WRONG = (
    HEAD
    + """\
separatr = "_"
[proxy.listen]
port = "80"
[[backends]]
name = "a"
transport = "stdio"
comand = "x"
[[backends]]
name = "b"
transport = "http"
url = "ftp://x"
expose_tools = ["a", 3]
headers = { "X.Y" = 3, A = "${NOPE}" }
[[backends]]
name = "c"
transport = "http"
url = "http://x"
failover_for = "aa"
[backends.timeout]
seconds = 0
[[backends]]
transport = "tcp"
[auth]
tokens = []
[security]
max_body_size = true
"""
)


def errors(text: str, **settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="f", environ=settings)
    assert all(problem.instead for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_all_errors_come_at_once_with_line_key_and_remedy() -> None:
    assert errors(EVERYTHING_WRONG) == [
        "f:3: proxy.separatr: unknown key 'separatr'; did you mean 'separator'?",
        "f:5: proxy.listen.port: a text stands where a whole number is expected; write a whole number without quotes",
        "f:9: backends[0].comand: unknown key 'comand'; did you mean 'command'?",
        'f:13: backends[1].url: this is no http address; write "http://host:port/path"',
        "f:14: backends[1].expose_tools[1]: a number stands where a text is expected; put it in quotes",
        "f:15: backends[1].headers.A: the environment variable 'NOPE' is not set; set it, or write ${NOPE:-default}",
        'f:15: backends[1].headers."X.Y": a number stands where a text is expected; put it in quotes',
        "f:20: backends[2].failover_for: backend 'c': failover_for references unknown backend 'aa'; did you mean 'a'?",
        "f:22: backends[2].timeout.seconds: timeout.seconds must be > 0; write a positive number, or leave the key out for its default",
        "f:23: backends[3].name: the key 'name' is missing; add name = \"…\"",
        'f:24: backends[3].transport: this is none of the values that are known; write "stdio" or "http" or "websocket" or "sse"',
        'f:26: auth.tokens: bearer auth requires at least one token; write tokens = ["${GATE_TOKEN}"]',
        "f:28: security.max_body_size: true or false stands where a whole number is expected; write a whole number without quotes",
    ]


def test_toml_and_yaml_give_the_same() -> None:
    toml = parse(HEAD + BACKEND + 'args = ["1"]\ntimeout = { seconds = 5 }\naliases = [{ from = "a", to = "b" }]\n')
    yaml = """
proxy: {name: p}
backends:
  - name: a
    transport: stdio
    command: x
    args: ["1"]
    timeout: {seconds: 5}
    aliases:
      - {from: a, to: b}
"""

    assert toml.config == parse(yaml, format="yaml").config
    assert TimeoutSettings(5.0) == toml.config.backends[0].timeout
    assert (AliasConfig("a", "b"),) == toml.config.backends[0].aliases


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".toml", HEAD + BACKEND),
        (".conf", HEAD + BACKEND),
        (".YML", "proxy: {name: p}\nbackends: [{name: a, transport: stdio, command: x}]\n"),
    ],
)
def test_the_suffix_chooses_the_language(suffix: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"gate{suffix}"
    path.write_text(f"\ufeff{text}")

    loaded = load(path)

    assert loaded.config.proxy.name == "p"
    assert path == loaded.config.source


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "proxy: the key 'proxy' is missing"),
        ("proxy = 3\n", "proxy: a number stands where a table is expected"),
        (f'backends = "x"\n{HEAD}', "backends: a text stands where a list of tables is expected"),
        (f"backends = [3]\n{HEAD}", "backends[0]: a number stands where a table is expected"),
        (f"{HEAD}{BACKEND}args = 'x'\n", "backends[0].args: a text stands where a list of texts is expected"),
        (f"{HEAD}{BACKEND}env = ['x']\n", "backends[0].env: a list stands where a table of texts is expected"),
        (f"{HEAD}{BACKEND}enabled = 'no'\n", "backends[0].enabled: a text stands where true or false is expected"),
        (
            f"{HEAD}{BACKEND}timeout = 3\n",
            "backends[0].timeout: a number stands where a table is expected; write a table with seconds, per_attempt_seconds",
        ),
        (f"{HEAD}{BACKEND}timeout = {{ seconds = inf }}\n", "backends[0].timeout.seconds: the number is too large"),
        (f"{HEAD}{BACKEND}priority = 1.0\n", "backends[0].priority: a number stands where a whole number is expected"),
        (f"{HEAD}{BACKEND}cwd = 1979-05-27\n", "backends[0].cwd: a date or time stands where a text is expected"),
        (f"{HEAD}{BACKEND}aliases = [{{ from = 'x' }}]\n", "backends[0].aliases[0].to: the key 'to' is missing"),
        (f"{HEAD}{BACKEND}url = 'a\\u0000'\n".replace("'", '"'), "backends[0].url: the text holds a NUL character"),
        (f"{HEAD}{BACKEND}transport_ = 3\n", "did you mean 'transport'?"),
        (f"{HEAD}{BACKEND}failoverFor = 3\n", "did you mean 'failover_for'?"),
        (f"{HEAD}{BACKEND}hide_destructiv = true\n", "did you mean 'hide_destructive'?"),
        (f"{HEAD}{BACKEND}timeout = {{ seconds = nan }}\n", "backends[0].timeout.seconds: the number is too large"),
        (f"{HEAD}{BACKEND}priority = 0x{'f' * 9000}\n", "backends[0].priority: the number is too large"),
        (f"{HEAD}port = 80\n{BACKEND}", "f:3: proxy.port: unknown key 'port'; it belongs in [proxy.listen]"),
        (
            f"{HEAD}{BACKEND}[[faults]]\nfault = 'reset'",
            "unknown key 'faults'; it belongs in a plan of its own: sluicegate run --faults PLAN",
        ),
        (f"{HEAD}{BACKEND}[tls]\ncert = 'x'\n", "tls: unknown key 'tls'; it belongs in [proxy.listen] or [[backends]]"),
        (f"{HEAD}[proxy.listen]\ncertificate = 'x'\n{BACKEND}", "unknown key 'certificate'; it belongs in [proxy.listen.tls]"),
        (f"{HEAD}{BACKEND}ca = 'x'\n", "backends[0].ca: unknown key 'ca'; it belongs in [backends.tls]"),
        (
            f"{HEAD}{BACKEND}[observability]\nenabled = true\n",
            "unknown key 'enabled'; it belongs in [observability.audit] or [observability.access_log] or [observability.metrics]",
        ),
        (f"{HEAD}{BACKEND}[observability.metrics]\npath = '/m'\n", "unknown key 'path'; write enabled"),
        (f"{HEAD}{BACKEND}[observability]\nlog_level = 'loud'\n", 'write "debug" or "info" or "warning" or "error"'),
        (
            f"{HEAD}[[backends]]\nname = 'a'\ntransport = 'inprocess'\n",
            "backends[0].transport: an in-process backend is an object of a Python program",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(text: str, what: str) -> None:
    assert any(what in error for error in errors(text)), errors(text)


def test_one_mistake_is_told_once() -> None:
    assert len(errors(HEAD + "[[backends]]\nname = 'a'\ntransport = 'stdio'\ncomand = 'x'\n")) == 1
    assert len(errors(HEAD + "[[backends]]\nname = 'a'\ntransport = 'http'\nurl = '${NOPE}'\n")) == 1
    assert len(errors(HEAD + "[[backends]]\nname = 'a'\ntransport = 'htp'\nurl = 'http://x'\n")) == 1


def test_an_unset_variable_is_an_error_and_a_set_one_may_be_a_number() -> None:
    text = HEAD + "[proxy.listen]\nport = '${PORT:-1234}'\n" + BACKEND + "required = '${REQUIRED}'\nconnect_timeout_seconds = '${WAIT}'\n"

    config = parse(text, environ={"REQUIRED": "true", "WAIT": "2.5"}).config

    assert config.proxy.listen.port == 1234
    assert config.backends[0].required
    assert config.backends[0].connect_timeout_seconds == 2.5
    assert [error.split("variable ")[1].split(";")[0] for error in errors(text)] == ["'REQUIRED' is not set", "'WAIT' is not set"]


def test_no_error_shows_a_secret() -> None:
    text = (
        HEAD
        + BACKEND
        + "bearer_token = '${S}'\nheaders = { A = '${S}' }\n[auth]\ntype = '${S}'\ntokens = ['${S}', '${S}']\n[proxy.listen]\nport = '${S}'\n"
    )

    assert not [error for error in errors(text, S="hush hush") if "hush" in error]
    assert "hush" not in repr(parse(HEAD + BACKEND + "env = { A = 'hush' }\n[auth]\ntokens = ['hush']\n").config)


def test_a_relative_folder_starts_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-of-the-file\n")
    (tmp_path / "gate.toml").write_text(HEAD + BACKEND + "cwd = 'work'\nenv = { T = '${file:token}' }\n")

    (backend,) = load(tmp_path / "gate.toml").config.backends

    assert str(tmp_path / "work") == backend.cwd
    assert backend.env == {"T": "secret-of-the-file"}


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'")

    for name, why in [("missing.toml", "No such file"), ("latin.toml", "no UTF-8 text"), ("", "Is a directory")]:
        with pytest.raises(ConfigError, match=why):
            load(tmp_path / name)


def test_arbitrary_text_is_an_error_and_never_a_crash() -> None:
    """TST-P2: a valid head and a random tail."""
    chance = random.Random("tail")
    words = [
        "[",
        "]",
        "=",
        "proxy",
        "backends",
        "auth",
        "[[backends]]",
        "\n",
        '"x"',
        "3",
        "name",
        "transport",
        "true",
        "{",
        "}",
        ",",
        ".",
        "env",
        "${X}",
    ]
    for _ in range(300):
        tail = " ".join(chance.choice(words) for _ in range(12))
        with contextlib.suppress(ConfigError):
            assert isinstance(parse(HEAD + BACKEND + tail, environ={}), Loaded)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_back_reads_the_same(seed: int) -> None:
    """TST-P3, and every text that TOML can hold."""
    chance = random.Random(seed)
    text = "".join(chance.choice("ab\"\\'\n\t${}é\x7f\u2028#") for _ in range(12))
    backends = "".join(
        f"[[backends]]\nname = 'b{index}'\ntransport = 'http'\nurl = 'http://h'\nbearer_token = 't{index}'\n"
        f"headers = {{ \"X-Y\" = 'v', Z = 'w' }}\nhide_tools = ['a*', 're:^x']\ntimeout = {{ seconds = {chance.randrange(1, 900)} }}\n"
        f"aliases = [{{ from = 'x', to = 'y' }}, {{ from = 'z', to = 'q' }}]\n"
        for index in range(chance.randrange(1, 4))
    )
    first = parse(HEAD + "instructions = '${T}'\n" + backends + "[auth]\ntokens = ['0123456789abcdefg']\n", environ={"T": text}).config

    written = dump(first, secrets=True)

    assert first == parse(written, environ={}).config
    assert written == dump(parse(written, environ={}).config, secrets=True)


def test_secrets_are_left_out_unless_asked_for() -> None:
    config = parse(
        HEAD
        + "[[backends]]\nname = 'a'\ntransport = 'http'\nurl = 'http://h'\nbearer_token = 'hush'\nheaders = { K = 'hush' }\n[auth]\ntokens = ['hush']\n"
    ).config

    assert "hush" not in dump(config)
    assert "hush" in dump(config, secrets=True)


def test_reading_loads_neither_trio_nor_structlog_nor_what_nobody_asks_for() -> None:
    code = (
        "import sys; from sluicegate.config.load import parse; from sluicegate.config.summary import summary\n"
        f"summary(parse({HEAD + BACKEND!r}).config)\n"
        "print({m.partition('.')[0] for m in sys.modules} & {'trio', 'structlog', 'mcp', 'yaml', 'pydantic', 'httpx2', 'hypercorn', 'starlette'}"
        " | {m for m in sys.modules if m.startswith('sluicegate.config.clients') or m in ('msgspec', 're2', 'sluicegate.protocol.messages')})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "tail",
    [
        "    env: {1: x}\n",
        "    1: x\n",
        "1: 2\n",
        "    null: 3\n",
        "    args: [on, 1.5, null]\n",
        "    timeout: ~\n",
        "    aliases: [{from: 1}, 3]\n",
        "    timeout: {seconds: !!binary aGk=}\n",
        "    headers: {? [a, b] : c}\n",
        "    transport: [http]\n",
        "    retry: {1: 2}\n",
        "    ? {a: b}\n    : c\n",
        "    tls: 3\n    2024-01-01: 3\n",
        "    name: a\n",
        "    cache: {backend: 3}\n",
        "    priority: 9e99\n",
        f"    timeout: {{seconds: 1{'0' * 400}}}\n",
        "auth: {type: [x]}\n",
        "auth: {type: ~}\n",
        "security: []\n",
        "observability: {log_level: [1]}\n",
        "cache: {backend: [3]}\n",
    ],
)
def test_what_only_yaml_can_say_is_an_error_too(tail: str) -> None:
    text = "proxy: {name: p}\nbackends:\n  - name: a\n    transport: stdio\n    command: x\n" + tail

    with pytest.raises(ConfigError) as caught:
        parse(text, format="yaml", environ={})

    assert caught.value.problems
