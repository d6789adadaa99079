"""Values for people and programs: no number costs the others."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sluicegate.protocol.calls import Call, Reply
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.values import read_object, read_value


def test_a_number_that_python_cannot_hold_is_a_decimal_and_the_others_are_what_they_were() -> None:
    raw = Raw(b'{"a":1e400,"b":[%b,-1E+999],"c":1.5,"d":7,"e":"\\u00e9"}' % (b"9" * 5000))
    value = Reply(raw).value
    assert value == {"a": Decimal("1e400"), "b": [Decimal("9" * 5000), Decimal("-1E+999")], "c": 1.5, "d": 7, "e": "\u00e9"}
    assert type(value["c"]) is float
    assert read_value(Raw(b"[1,2]")) == [1, 2]


def test_arguments_are_read_in_the_same_way() -> None:
    assert Call("tools/call", "t", {"arguments": Raw(b'{"a":1e400}')}).arguments == {"a": Decimal("1e400")}
    assert Call("tools/call", "t", {"arguments": Raw(b"[]")}).arguments == {}


def test_what_is_no_object_is_none() -> None:
    with pytest.raises(TypeError, match=r"\[1\]"):
        read_object(Raw(b"[1]"))
