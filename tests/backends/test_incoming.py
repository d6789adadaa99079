"""What of an answer is changed on its way to the caller: nothing but metadata that say nothing."""

from __future__ import annotations

import pytest

from sluicegate.backends.incoming import reply_from
from sluicegate.protocol.messages import Raw, Response

LONG = b'"' + b"x" * 1_000_000 + b'"'


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (b'{"_meta":null,"content":[]}', b'{"content":[]}'),
        (b'{"content":[],"_meta" : null}', b'{"content":[]}'),
        (b'{"_meta":null,"content":%b}' % LONG, b'{"content":%b}' % LONG),
        (b'{"content":%b,"_meta":null}' % LONG, b'{"content":%b}' % LONG),
        (b'{"content":[{"_meta":null}]}', None),
        (b'{"_meta":{"a":null},"content":%b}' % LONG, None),
        (b'{"_meta":{"a":1},"content":[{"_meta":null}]}', None),
        (b'{"_meta":null,"content":[{"_meta":null}]}', b'{"content":[{"_meta":null}]}'),
        (b'{"content":"\\"_meta\\":null"}', None),
    ],
    ids=lambda value: None if value is None else value[:24].decode(),
)
def test_null_metadata_of_a_result_are_left_out_and_all_else_stays(result: bytes, expected: bytes | None) -> None:
    reply = reply_from(Response(1, Raw(result), None), "b")
    assert bytes(reply.result) == (result if expected is None else expected)


NOTHING = b'"_meta":null,'


@pytest.mark.parametrize(("size", "is_found"), [(4096, True), (4097, False)])
def test_of_a_result_of_more_than_4096_bytes_the_middle_is_not_looked_at(size: int, is_found: bool) -> None:
    begin, end = b'{"a":"%b",' % (b"x" * 2000), b'"b":"%b"}'
    result = begin + NOTHING + end % (b"x" * (size - len(begin + NOTHING + end) + 2))
    assert len(result) == size
    reply = reply_from(Response(1, Raw(result), None), "b")
    assert (bytes(reply.result) == result.replace(NOTHING, b"")) is is_found


@pytest.mark.parametrize(("more", "is_found"), [(0, True), (1, False)])
@pytest.mark.parametrize("behind", [False, True], ids=["at the beginning", "at the end"])
def test_of_a_long_result_the_first_and_the_last_1024_bytes_are_looked_at(behind: bool, more: int, is_found: bool) -> None:
    if behind:
        end = b'"_meta":null,"b":""}'
        result = b'{"a":"%b",' % (b"x" * 5000) + end.replace(b'""', b'"%b"' % (b"x" * (1024 + more - len(end))))
        assert result[-1024 - more :].startswith(b'"_meta"')
    else:
        begin = b'{"a":"","_meta":null'
        result = begin.replace(b'""', b'"%b"' % (b"x" * (1024 + more - len(begin)))) + b',"b":"%b"}' % (b"x" * 5000)
        assert result[: 1024 + more].endswith(b"null")
    reply = reply_from(Response(1, Raw(result), None), "b")
    assert (b"_meta" not in bytes(reply.result)) is is_found
