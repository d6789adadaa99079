"""Which variables of the gateway's environment a command sees, and what of a file is secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluicegate.config.inheritance import inherited
from sluicegate.config.load import ConfigError, from_mcp_json, load, parse
from sluicegate.config.model import Config
from sluicegate.config.secrets import secrets_of
from sluicegate.config.summary import environments, summary

USUAL = {
    "HOME": "/h",
    "PATH": "/p",
    "LANG": "C",
    "LC_ALL": "C",
    "XDG_CACHE_HOME": "/c",
    "https_proxy": "http://u:p@x",
    "SSL_CERT_FILE": "/s",
}
OTHER = {"GATE_TOKEN": "0123456789abcdef", "WEB_KEY": "key-of-the-web", "GIT_TOKEN": "token-of-git", "AWS_KEY": "a", "AWS_ID": "b"}
ENVIRON = USUAL | OTHER

FILE = """
[proxy]
name = "gate"
[auth]
tokens = ["${GATE_TOKEN}"]
[[backends]]
name = "git"
transport = "stdio"
command = "git"
env = { TOKEN = "${GIT_TOKEN}", FIXED = "literally-secret" }
%s
[[backends]]
name = "web"
transport = "http"
url = "https://user:pass-word@web.test/mcp?key=query-key"
headers = { X-Key = "${WEB_KEY}" }
bearer_token = "bearer-token"
"""


def read(inherit: str = "") -> Config:
    return parse(FILE % inherit, environ=ENVIRON).config


def seen(inherit: str) -> set[str]:
    config = read(inherit)
    git = config.backends[0]
    return set(inherited(git.inherit_env, ENVIRON, config.withheld_from("git")))


@pytest.mark.parametrize(
    ("inherit", "more"),
    [
        ("", set()),
        ("inherit_env = []", set()),
        ('inherit_env = ["AWS_*"]', {"AWS_KEY", "AWS_ID"}),
        ('inherit_env = ["AWS_ID", "NOT_SET"]', {"AWS_ID"}),
        ('inherit_env = ["GATE_TOKEN"]', {"GATE_TOKEN"}),
        ("inherit_env = true", {"AWS_KEY", "AWS_ID", "GIT_TOKEN"}),
    ],
)
def test_a_command_sees_the_usual_variables_and_those_that_are_named(inherit: str, more: set[str]) -> None:
    assert seen(inherit) == USUAL.keys() | more


def test_false_leaves_the_path_alone() -> None:
    assert seen("inherit_env = false") == {"PATH"}


def test_what_a_file_names_for_one_backend_is_no_business_of_another_that_gets_everything() -> None:
    config = read("inherit_env = true")
    assert config.withheld_from("git") == {"GATE_TOKEN", "WEB_KEY"}
    assert config.withheld_from("web") == {"GATE_TOKEN", "GIT_TOKEN"}
    assert config.withheld_from("one that comes later") == {"GATE_TOKEN", "GIT_TOKEN", "WEB_KEY"}


def test_the_usual_ones_are_not_withheld_although_a_file_names_them() -> None:
    text = FILE.replace("command = ", "cwd = '${HOME}'\ncommand = ").replace("bearer-token", "${PATH}") % "inherit_env = true"
    config = parse(text, environ=ENVIRON).config
    assert {"HOME", "PATH"} <= inherited(True, ENVIRON, config.withheld_from("git")).keys()


def test_a_shell_function_and_a_registry_with_a_password_are_not_passed_on_unasked() -> None:
    environ = {"TERM": "() { :; }", "UV_INDEX_URL": "https://u:p@index.test", "npm_config_registry": "https://registry.test"}
    assert inherited((), environ) == {"npm_config_registry": "https://registry.test"}
    assert inherited(("UV_INDEX_URL",), environ).keys() == {"npm_config_registry", "UV_INDEX_URL"}


@pytest.mark.parametrize("name", ["", "A B", "A=1", "*", "A*B", "1A"])
def test_what_is_no_name_is_an_error_with_its_place(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"inherit_env = ['OK', '{name}']")
    (problem,) = caught.value.problems
    assert problem.path == "backends[0].inherit_env[1]"


def test_what_is_neither_a_list_nor_a_flag_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"inherit_env.*write a list of names"):
        read("inherit_env = 'PATH'")


def test_servers_of_a_clients_file_see_no_more_than_others(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    servers = {"a": {"command": "x", "env": {"T": "${GIT_TOKEN}"}}, "b": {"command": "x", "args": ["${WEB_KEY}"]}}
    file.write_text(json.dumps({"mcpServers": servers}))
    config = from_mcp_json(file, environ=ENVIRON).config
    assert environments(config, ENVIRON) == {"a": sorted([*USUAL, "T"]), "b": sorted(USUAL)}
    assert config.variables == {"GIT_TOKEN": {"a"}, "WEB_KEY": {"b"}}
    assert {"token-of-git", "key-of-the-web"} <= secrets_of(config)


def test_check_names_what_a_command_will_see_and_shows_no_value() -> None:
    text = summary(read('inherit_env = ["AWS_ID"]'), (), ENVIRON)
    names = sorted([*USUAL, "AWS_ID", "TOKEN", "FIXED"])
    assert f"  Commands see:\n    - git: {', '.join(names)}\n" in text + "\n"
    everything = summary(read("inherit_env = true"), (), ENVIRON)
    assert "    - git: everything but GATE_TOKEN, WEB_KEY" in everything
    assert not any(value in text + everything for value in OTHER.values() if len(value) > 1)


def test_the_secrets_of_a_file_are_known(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key-in-a-file\n")
    (tmp_path / "gate.toml").write_text(FILE.replace("bearer-token", "${file:key}") % "")
    secrets = secrets_of(load(tmp_path / "gate.toml", environ=ENVIRON).config)
    assert {
        *("0123456789abcdef", "token-of-git", "key-of-the-web", "literally-secret", "user:pass-word", "pass-word", "query-key"),
        "key-in-a-file",
    } <= secrets
    assert not secrets & {"https://user:pass-word@web.test/mcp?key=query-key", "gate", "git"}


def test_the_names_and_addresses_that_a_log_is_read_by_are_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("""\
[proxy]
name = "gateway"
[proxy.listen]
host = "127.0.0.2"
[[backends]]
name = "database"
transport = "stdio"
command = "x"
env = { HOST = "127.0.0.1", OWN = "127.0.0.2", BASE = "localhost", MODE = "database", FOR = "gateway", API = "api.example.test", KEY = "hunter2-x" }
[[backends]]
name = "web"
transport = "http"
url = "http://api.example.test/mcp"
""")
    assert secrets_of(load(tmp_path / "gate.toml", environ={}).config) - {""} == {"hunter2-x"}


def test_a_configuration_does_not_print_them() -> None:
    assert "token-of-git" not in repr(read())
