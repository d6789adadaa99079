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
        (b'{"content":"\\"_meta\\":null"}', None),
    ],
    ids=lambda value: None if value is None else value[:24].decode(),
)
def test_null_metadata_of_a_result_are_left_out_and_all_else_stays(result: bytes, expected: bytes | None) -> None:
    reply = reply_from(Response(1, Raw(result), None), "b")
    assert bytes(reply.result) == (result if expected is None else expected)
