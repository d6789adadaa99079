"""Large answers in parts are the same messages."""

import pytest

from sluicegate.protocol.messages import Raw, decode_object, encode_result
from sluicegate.protocol.parts import in_parts

# The numbers that are promised. Taken from the source they would move with it.
LARGE = 65_536


@pytest.mark.parametrize("size", [LARGE, 3 * LARGE])
def test_a_large_answer_is_the_same_message(size: int) -> None:
    result = Raw(b'{"text":"%b"}' % (b"x" * size))
    answer = in_parts(b'"a"', result)
    assert bytes(answer) == encode_result(b'"a"', result)
    assert len(answer) == len(bytes(answer))


def test_what_is_large_is_not_copied() -> None:
    whole = b'{"result":{"text":"%b"}}' % (b"x" * LARGE)
    members = decode_object(whole)
    assert isinstance(members, dict)
    answer = in_parts(b"1", members["result"])
    assert answer.large.obj is members["result"]
