"""Names that are looked for in JSON text: found in whatever spelling, and what is not there is not found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sluicegate.backends.modern.rounds import is_question, is_task
from sluicegate.policies.request_keys import RequestKeys
from sluicegate.protocol.hints import NO_HINTS, read_hints
from sluicegate.protocol.introduction import VERSION, names_version
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.spelled import may_name
from sluicegate.protocol.task_ids import RELATED, related_task
from sluicegate.protocol.tokens import wanted_token

Spelling = Callable[[str, str], str]


def plain(text: str, _name: str) -> str:
    return text


def slashes(text: str, _name: str) -> str:
    """As PHP writes JSON."""
    return text.replace("/", "\\/")


def a_letter(text: str, name: str) -> str:
    at = len(name) // 2
    return text.replace(name, f"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}")


spellings = pytest.mark.parametrize("spelled", [plain, slashes, a_letter])


def raw(name: str, value: object, spelled: Spelling) -> Raw:
    text = spelled(json.dumps({name: value}), name)
    assert json.loads(text) == {name: value}
    return Raw(text.encode())


@spellings
def test_a_request_says_its_revision_in_any_spelling(spelled: Spelling) -> None:
    assert names_version({"_meta": raw(VERSION, "2026-07-28", spelled)})
    assert not names_version({"_meta": raw("example.com/path", "a/b", spelled)})


@spellings
def test_what_is_about_a_task_says_so_in_any_spelling(spelled: Spelling) -> None:
    assert related_task({"_meta": raw(RELATED, {"taskId": "t"}, spelled)}) == "t"
    assert related_task({"_meta": raw("example.com/path", {"taskId": "t"}, spelled)}) is None


@spellings
def test_a_result_says_what_it_is_and_for_whom_in_any_spelling(spelled: Spelling) -> None:
    assert read_hints(raw("cacheScope", "private", spelled)).is_private
    assert read_hints(raw("ttlMs", 0, spelled)).seconds == 0
    assert not read_hints(raw("resultType", "task", spelled)).is_answer
    assert read_hints(raw("example", "a/b", spelled)) == NO_HINTS
    assert is_question(raw("resultType", "input_required", spelled))
    assert is_task(raw("resultType", "task", spelled))


@spellings
def test_a_token_is_no_part_of_a_request_and_is_wanted_in_any_spelling(spelled: Spelling) -> None:
    keys, params = RequestKeys(), {"name": Raw(b'"t"')}
    told = params | {"_meta": raw("progressToken", 7, spelled)}
    assert keys.of("tools/call", told) == keys.of("tools/call", params)
    assert wanted_token(told) == b"7"


@pytest.mark.parametrize("text", [b'{"a":"b"}', b'{"a":"\\n\\"\\u4e00"}', '{"a":"ü"}'.encode(), b'{"a":"x\\/y"}'])
def test_what_is_certainly_not_there_is_not_read(text: bytes) -> None:
    assert not may_name(text, b'"task"')
