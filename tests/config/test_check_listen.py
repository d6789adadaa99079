"""The ``[proxy.listen]`` table, and how backends are reached over TLS: what makes no sense is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from sluicegate.config.checks.whole import problems, refuse_open_bind, warnings
from sluicegate.config.dump import dump
from sluicegate.config.load import ConfigError, from_mcp_json, load, parse
from sluicegate.config.model import BackendConfig, BackendTlsConfig, BearerAuth, Config, ListenConfig, ListenTlsConfig, ProxyConfig
from sluicegate.config.summary import summary


def listen(**settings: Any) -> Config:
    return Config(ProxyConfig("p", listen=ListenConfig(**settings)), (BackendConfig("a", "stdio", command="x"),))


def https(url: str = "https://h/", **settings: Any) -> Config:
    return Config(ProxyConfig("p"), (BackendConfig("a", "http", url=url, **settings),))


WRONG = [
    (listen(unix="/x", systemd=True), "systemd", "take the place of unix"),
    (listen(unix="/x", port=1), "port", "'port' has no effect: unix takes its place"),
    (listen(unix="/x", host="::1"), "host", "'host' has no effect: unix takes its place"),
    (listen(systemd=True, port=1), "port", "'port' has no effect: systemd takes its place"),
    (listen(host=""), "host", "must not be empty"),
    (listen(host="127.0.0.1:80"), "host", "'127.0.0.1:80' is no host"),
    (listen(host="http://gate.example"), "host", "'http://gate.example' is no host"),
    (listen(host="/run/gate.sock"), "host", "'/run/gate.sock' is no host"),
    (listen(host="10.0.0.0/8"), "host", "'10.0.0.0/8' is no host"),
    (listen(host="*"), "host", "'*' is no host"),
    (listen(host="[::1"), "host", "'[::1' is no host"),
    (listen(host="256.1.1.1"), "host", "'256.1.1.1' is no host"),
    (listen(host="gate example"), "host", "'gate example' is no host"),
    (listen(unix=""), "unix", "no path of a socket"),
    (listen(unix="/" + "x" * 107), "unix", "at most"),
    (listen(unix="/x", unix_mode="rw"), "unix_mode", "no permissions"),
    (listen(unix="/x", unix_mode="888"), "unix_mode", "no permissions"),
    (listen(session_keys=""), "session_keys", "no path of a folder"),
    (listen(session_keys="a\0b"), "session_keys", "no path of a folder"),
    (listen(session_ticket_seconds=0), "session_ticket_seconds", "session_ticket_seconds must be > 0"),
    (listen(head_seconds=0), "head_seconds", "head_seconds must be > 0"),
    (listen(body_seconds=-1), "body_seconds", "body_seconds must be > 0"),
    (listen(write_seconds=0), "write_seconds", "write_seconds must be > 0"),
    (listen(idle_seconds=0), "idle_seconds", "idle_seconds must be > 0"),
    (listen(max_connections=0), "max_connections", "max_connections must be > 0"),
    (listen(max_connections_per_peer=-1), "max_connections_per_peer", "must be >= 0"),
    (listen(trusted_proxies=("10.0.0.0/8", "gate.example")), "trusted_proxies[1]", "'gate.example' is no address"),
    (listen(tls=ListenTlsConfig("/no/such.pem"), server="native"), "server", "does not speak TLS"),
    (listen(tls=ListenTlsConfig("")), "tls.certificate", "'' cannot be read: the name is empty"),
    (listen(tls=ListenTlsConfig("/")), "tls.certificate", "'/' cannot be read: Is a directory"),
    (listen(tls=ListenTlsConfig("/no/such.pem")), "tls.certificate", "'/no/such.pem' cannot be read: No such file"),
    (listen(tls=ListenTlsConfig(__file__, "/no/key.pem")), "tls.key", "'/no/key.pem' cannot be read"),
    (listen(tls=ListenTlsConfig(__file__, None, "/no/ca.pem")), "tls.client_ca", "'/no/ca.pem' cannot be read"),
    (listen(tls=ListenTlsConfig(__file__)), "tls.certificate", "do not hold a certificate and its key"),
]


@pytest.mark.parametrize(("config", "key", "phrase"), WRONG, ids=[f"{key}: {phrase}" for _, key, phrase in WRONG])
def test_what_makes_no_sense_is_refused_at_its_key_with_a_remedy(config: Config, key: str, phrase: str) -> None:
    found = problems(config)

    assert [problem for problem in found if problem.path == f"proxy.listen.{key}" and phrase in problem.what], found
    assert all(problem.instead for problem in found)


WRONG_BACKENDS = [
    (https("http://h/", tls=BackendTlsConfig()), "tls", "the address is one without TLS"),
    (https(tls=BackendTlsConfig(key="/no/key.pem")), "tls.key", "no use without its certificate"),
    (https(tls=BackendTlsConfig(ca="/no/ca.pem")), "tls.ca", "'/no/ca.pem' cannot be read"),
    (https(tls=BackendTlsConfig(ca=__file__)), "tls", "holds no certificate"),
    (https(proxy="socks5://h:1"), "proxy", "no address of an HTTP proxy"),
    (https(proxy="http://h:1/path"), "proxy", "no address of an HTTP proxy"),
    (https(proxy="http://h:1?a=b"), "proxy", "no address of an HTTP proxy"),
    (Config(ProxyConfig("p"), (BackendConfig("a", "stdio", command="x", proxy="http://h"),)), "proxy", "no effect with transport 'stdio'"),
    (Config(ProxyConfig("p"), (BackendConfig("a", "stdio", command="x", tls=BackendTlsConfig()),)), "tls", "no effect with transport"),
]


@pytest.mark.parametrize(("config", "key", "phrase"), WRONG_BACKENDS, ids=[f"{key}: {phrase}" for _, key, phrase in WRONG_BACKENDS])
def test_a_way_to_a_backend_that_makes_no_sense_is_refused(config: Config, key: str, phrase: str) -> None:
    found = problems(config)

    assert [problem for problem in found if problem.path == f"backends[0].{key}" and phrase in problem.what], found
    assert all(problem.instead for problem in found)


@pytest.mark.parametrize(
    "config",
    [
        listen(unix="/run/x.sock", unix_mode="0660", server="hypercorn"),
        listen(systemd=True, server="native"),
        listen(trusted_proxies=("10.0.0.7", "10.1.2.3/8", "::1", "fd00::/8"), max_connections_per_peer=64),
        listen(host="gate.example"),
        listen(host="xn--bcher-kva.example."),
        listen(host="[fd00::1]"),
        listen(host="fe80::1%eth0"),
        listen(unix="/run/x.sock", trusted_proxies=("0.0.0.0/0",)),
        https(proxy="http://user:secret@proxy.example:3128/"),
        https(tls=BackendTlsConfig()),
    ],
)
def test_what_makes_sense_is_accepted(config: Config) -> None:
    assert problems(config) == []
    assert warnings(config) == []


def test_what_has_no_effect_is_a_warning() -> None:
    assert [warning.path for warning in warnings(listen(unix_mode="666"))] == ["proxy.listen.unix_mode"]
    assert [warning.path for warning in warnings(listen(max_connections=9, max_connections_per_peer=9))] == [
        "proxy.listen.max_connections_per_peer"
    ]
    useless = listen(session_tickets=False, session_keys="keys", session_ticket_seconds=60)
    assert [warning.path for warning in warnings(useless)] == ["proxy.listen.session_keys", "proxy.listen.session_ticket_seconds"]
    assert [warning.path for warning in warnings(listen(trusted_proxies=("10.0.0.0/8", "::/0")))] == ["proxy.listen.trusted_proxies[1]"]


def test_what_no_other_machine_reaches_needs_no_auth(tmp_path: Path) -> None:
    assert refuse_open_bind(listen(unix="/x")) is None
    assert refuse_open_bind(listen(systemd=True), hosts=["127.0.0.1", "::1"]) is None
    assert refuse_open_bind(listen(host="0.0.0.0", tls=ListenTlsConfig("c", client_ca="ca"))) is None


def test_sockets_of_systemd_that_others_reach_need_auth() -> None:
    refused = refuse_open_bind(listen(systemd=True), hosts=["127.0.0.1", "192.0.2.7"])

    assert refused is not None
    assert refused.path == "proxy.listen.systemd"
    assert "'192.0.2.7' can be reached by other machines" in refused.what
    assert ".socket unit" in refused.instead
    assert refuse_open_bind(listen(systemd=True), hosts=["::"], insecure=True) is None
    assert refuse_open_bind(Config(ProxyConfig("p", listen=ListenConfig(systemd=True)), auth=BearerAuth(("x",))), hosts=["::"]) is None


def test_tls_alone_does_not_say_who_is_calling() -> None:
    assert refuse_open_bind(listen(host="0.0.0.0", tls=ListenTlsConfig("c"))) is not None


FILE = """
[proxy]
name = "p"
[proxy.listen]
port = 0
[proxy.listen.tls]
certificate = "gate.pem"
client_ca = "ca.pem"
[[backends]]
name = "a"
transport = "http"
url = "https://h/"
proxy = "http://user:secret@proxy.example:3128"
tls = { ca = "ca.pem", certificate = "gate.pem" }
"""


def test_files_are_found_beside_the_configuration_that_names_them(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "gate.pem"))
    path = tmp_path / "gate.toml"
    path.write_text(FILE)

    config = load(path).config

    assert ListenTlsConfig(str(tmp_path / "gate.pem"), None, str(tmp_path / "ca.pem")) == config.proxy.listen.tls
    assert BackendTlsConfig(str(tmp_path / "ca.pem"), str(tmp_path / "gate.pem")) == config.backends[0].tls
    assert "Listen:   127.0.0.1:0 (TLS)" in summary(config)
    assert "secret" not in dump(config) + repr(config)
    assert config == load(path).config
    assert parse(dump(config, secrets=True)).config.backends == config.backends


def test_of_several_files_the_one_that_is_wrong_is_named(tmp_path: Path) -> None:
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "gate.pem"))
    path = tmp_path / "gate.toml"
    path.write_text(FILE.replace("ca.pem", "gate.toml"))

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (8, "proxy.listen.tls.client_ca"),
        (14, "backends[0].tls"),
    ]


def test_a_relative_socket_lies_beside_the_configuration_too(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(
        '[proxy]\nname = "p"\n[proxy.listen]\nunix = "run/gate.sock"\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'
    )

    config = load(path).config

    assert str(tmp_path / "run/gate.sock") == config.proxy.listen.unix
    assert f"Listen:   {tmp_path}/run/gate.sock" in summary(config)


def test_the_keys_of_sessions_lie_beside_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    rest = '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'
    path.write_text(f'[proxy]\nname = "p"\n{rest}')
    assert load(path).config.session_keys == tmp_path / "gate.toml.sessions"
    path.write_text(f'[proxy]\nname = "p"\n[proxy.listen]\nsession_keys = "keys"\n{rest}')
    assert load(path).config.session_keys == tmp_path / "keys"
    assert listen().session_keys is None
    servers = tmp_path / "mcp.json"
    servers.write_text('{"mcpServers": {"a": {"command": "x"}}}')
    assert from_mcp_json(servers).config.session_keys is None  # the file is a client's, and so is its folder


def test_every_mistake_of_the_table_is_told_with_its_line() -> None:
    text = '[proxy]\nname = "p"\n[proxy.listen]\nserver = "nginx"\nclient_ca = "x"\ntls = { key = "x" }\nhead_seconds = 0\n'

    with pytest.raises(ConfigError) as caught:
        parse(text + '[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n', name="f")

    told = str(caught.value)
    assert 'f:4: proxy.listen.server: this is none of the values that are known; write "auto" or "native" or "hypercorn"' in told
    assert "f:5: proxy.listen.client_ca: unknown key 'client_ca'; it belongs in [proxy.listen.tls]" in told
    assert "f:6: proxy.listen.tls.certificate: the key 'certificate' is missing" in told
    assert "f:7: proxy.listen.head_seconds: head_seconds must be > 0" in told
