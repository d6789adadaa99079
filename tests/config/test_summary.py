"""What ``check`` prints (CLI-10)."""

from __future__ import annotations

from sluicegate.config.load import parse
from sluicegate.config.summary import summary

TEXT = """
[proxy]
name = "gate"
[auth]
tokens = ["0123456789abcdef", "f123456789abcdef"]
[[backends]]
name = "a"
transport = "stdio"
command = "x"
hide_tools = ["y"]
timeout = { seconds = 5 }
[[backends]]
name = "b"
transport = "http"
url = "http://x"
failover_for = "a"
enabled = false
[[backends]]
name = "c"
transport = "http"
url = "http://x"
mirror_of = "a"
mirror_percent = 10
"""


def test_the_layout_is_that_of_the_seed() -> None:
    assert (
        summary(parse(TEXT).config, ["mind the gap"])
        == """\
Config OK

  Proxy:    gate v0.1.0
  Listen:   127.0.0.1:8080
  Backends: 3
    - a (stdio) [timeout, filter]
    - b (http) [failover for a, disabled]
    - c (http) [mirror of a, 10 %]
  Auth:     bearer (2 tokens)

  Warnings:
    - mind the gap"""
    )


def test_no_auth_and_planned_auth_are_told_apart() -> None:
    head = '[proxy]\nname = "p"\nlisten = { host = "::1" }\n[[backends]]\nname = "a"\ntransport = "stdio"\ncommand = "x"\n'

    assert "Auth:     none" in summary(parse(head).config)
    assert "Listen:   [::1]:8080" in summary(parse(head).config)
    oauth = "[auth]\ntype = 'oauth'\nissuer = 'https://i.example'\naudience = 'a'\n"
    assert "Auth:     oauth (https://i.example, jwt)" in summary(parse(head + oauth).config)
