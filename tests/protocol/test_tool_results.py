"""What a tool's result says about itself: whether the tool failed, and whether there may be URIs in it."""

from __future__ import annotations

import pytest

from sluicegate.protocol.calls import Reply
from sluicegate.protocol.faults import lost
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.tool_results import read_tool_result

# The numbers that are promised. Taken from the source they would move with it.
SMALL = 16 * 1024

TEXT = b'{"type":"text","text":"\\"isError\\":true"}'


@pytest.mark.parametrize("padding", [b"", b"x" * SMALL], ids=["small", "large"])
@pytest.mark.parametrize(
    ("result", "is_error", "may_hold_uris"),
    [
        (b'{"content":[%b],"isError":true}' % TEXT, True, False),
        (b'{"isError":true,"content":[]}', True, False),
        (b'{"content":[%b]}' % TEXT, False, False),
        (b'{"content":[%b],"isError":false}' % TEXT, False, False),
        (b'{"content":[],"isError":null}', False, False),
        (b'{"content":[],"is\\u0045rror":true}', True, False),
        (b'{"content":[],"structuredContent":{"isError":true}}', False, False),
        (b'{"content":[],"isError":"true"}', False, True),
        (b'{"content":7,"isError":true}', True, True),
        (b'{"content":[{"type":[7]}],"isError":true}', True, True),
        (b'{"content":[{"type":1e400}]}', False, True),
        (b'{"content":[%b,{"type":"resource_link","uri":"a:b"}],"isError":true}' % TEXT, True, True),
        (b'{"content":[{"type":"re\\u0073ource"}]}', False, True),
        (b"{}", False, False),
    ],
)
def test_only_the_member_itself_counts(result: bytes, is_error: bool, may_hold_uris: bool, padding: bytes) -> None:
    """A text that speaks of it says nothing, and numbers that Python cannot hold are no obstacle."""
    whole = result[:-1] + b'%b"padding":"%b","n":%b,"m":1e400}' % (b"," if len(result) > 2 else b"", padding, b"7" * 5000)
    found = read_tool_result(Raw(whole))
    assert (found.is_error, found.may_hold_uris) == (is_error, may_hold_uris)


def test_a_reply_has_one_outcome() -> None:
    failed = Reply(Raw(b'{"content":[],"isError":true}'))
    assert (failed.outcome("tools/call"), failed.outcome("resources/read")) == ("tool_error", "ok")
    assert Reply().outcome("tools/call") == "ok"
    assert Reply.failed(lost("b", "eof")).outcome("tools/call") == "connection_lost"


def test_a_reply_is_looked_at_once() -> None:
    reply = Reply(Raw(b'{"content":[],"isError":true}'))
    assert reply.tool_result is reply.tool_result
