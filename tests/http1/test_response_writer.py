"""The bytes of one response: in one piece or in two, and out of turn."""

from __future__ import annotations

import pytest

from sluicegate.http1.head import Request
from sluicegate.http1.response_writer import SENT_APART, ResponseWriter

DATE = b"date: today\r\n"


def writer() -> ResponseWriter:
    return ResponseWriter(Request("GET", b"/", "/", b"/", b"", "1.1", [], None), lambda: DATE)


@pytest.mark.parametrize(("size", "apart"), [(0, False), (5, False), (SENT_APART, False), (SENT_APART + 1, True)])
def test_a_large_body_leaves_apart_from_its_head(size: int, apart: bool) -> None:
    response, body = writer(), b"x" * size
    response.start(200, [])
    first, second = response.write(body, more=False, may_stay=True)
    assert bytes(first) + bytes(second) == b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (size, DATE, body)
    assert second == (body if apart else b"")


def test_a_large_piece_behind_the_head_leaves_alone() -> None:
    response, body = writer(), b"x" * (SENT_APART + 1)
    response.start(200, [(b"content-length", b"%d" % (len(body) + 1))])
    response.write(b"y", more=True, may_stay=True)
    assert response.write(body, more=False, may_stay=True) == (body, b"")


def test_what_comes_out_of_turn_is_refused() -> None:
    response = writer()
    with pytest.raises(RuntimeError, match="between its start and its end"):
        response.write(b"x", more=False, may_stay=True)
    response.start(200, [])
    with pytest.raises(RuntimeError, match="one start"):
        response.start(200, [])
    response.write(b"x", more=False, may_stay=True)
    with pytest.raises(RuntimeError, match="between its start and its end"):
        response.write(b"x", more=False, may_stay=True)
