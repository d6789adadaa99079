"""What a request says of its session and of its call: lines that are made once for calls that are alike, and not kept for ever."""

from __future__ import annotations

import itertools

import msgspec

from sluicegate.backends.http.session_headers import Conversation, lines_of_call
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw

# The numbers that are promised. Taken from the source they would move with it.
LONGEST_KEPT = 256
MOST_KEPT = 1024


def lines_of(name: str) -> bytes:
    return lines_of_call(Call("tools/call", name, {"name": Raw(msgspec.json.encode(name))}))


def made_once(name: str) -> bool:
    return lines_of(name) is lines_of(name)


def test_the_lines_of_a_call_name_its_method_and_what_it_calls() -> None:
    assert [line.lower() for line in lines_of("echo").splitlines()] == [b"mcp-method: tools/call", b"mcp-name: echo"]


def test_calls_of_one_name_share_their_lines_unless_it_is_very_long() -> None:
    longest = "n" * (LONGEST_KEPT - 2)  # with its quotes
    assert made_once(longest)
    assert not made_once(longest + "n")


def test_as_many_lines_are_kept_as_there_is_room_for_and_not_one_more() -> None:
    probe, names = lines_of("probe"), (f"tool-{number}" for number in itertools.count())
    while lines_of("probe") is probe:
        lines_of(next(names))
    probe = lines_of("probe")  # it and the name before it are the only ones now
    for _ in range(MOST_KEPT - 2):
        lines_of(next(names))
    assert lines_of("probe") is probe
    lines_of(next(names))
    assert lines_of("probe") is not probe


def test_a_conversation_says_its_id_and_its_version_as_far_as_there_are_any_and_shows_no_id() -> None:
    lines = Conversation("hush-7", "2025-06-18").lines.lower()
    assert b"mcp-session-id: hush-7\r\n" in lines
    assert b"mcp-protocol-version: 2025-06-18\r\n" in lines
    assert Conversation().lines == b""
    assert Conversation("", "2099-01-01").lines == b""
    assert "hush" not in repr(Conversation("hush-7", "2025-06-18"))
