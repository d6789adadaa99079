"""What makes two requests the same."""

from __future__ import annotations

import pytest

from sluicegate.policies.request_keys import RequestKeys
from sluicegate.protocol.calls import Call
from sluicegate.protocol.messages import Raw


def key_of(**more: bytes) -> bytes | None:
    call = Call.tool("look", {"a": 1})
    return RequestKeys().of(call.method, call.params | {name: Raw(value) for name, value in more.items()}, "")


@pytest.mark.parametrize("name", ["task", "requestState", "inputResponses"])
def test_a_part_of_something_longer_is_the_same_as_nothing(name: str) -> None:
    assert key_of(**{name: b"{}"}) is None


def test_the_order_of_members_and_what_is_about_one_call_make_no_difference() -> None:
    assert key_of(arguments=b'{"a":1,"b":1.0}') == key_of(arguments=b'{ "b":1.0, "a":1 }', _meta=b'{"progressToken":7}')
    assert key_of(arguments=b'{"a":1}') != key_of(arguments=b'{"a":1.0}')
    assert key_of(arguments=b'{"a":1,"a":2}') is None
