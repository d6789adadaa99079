"""Which HTTP/2 requests are refused before the application hears of them, at the bounds."""

from __future__ import annotations

import pytest

from sluicegate.http1.framing import RefusedMessage
from sluicegate.http1.server.request_head import HeadLimits
from sluicegate.hypercorn.judge import judge_http2

LIMITS = HeadLimits(target=20, head=200, headers=6)
Fields = list[tuple[bytes, bytes]]


def asking(*more: tuple[bytes, bytes], path: bytes = b"/mcp", method: bytes = b"GET") -> Fields:
    return [(b":method", method), (b":scheme", b"https"), (b":authority", b"a.test"), (b":path", path), *more]


def filled(size: int) -> Fields:
    """A request whose head counts for that many bytes: names, values, and four for what stands between and behind them."""
    used = sum(len(name) + len(value) + 4 for name, value in asking())
    return asking((b"x", b"v" * (size - used - 5)))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param(asking(), None, id="plain"),
        pytest.param(filled(200), None, id="as large as may be"),
        pytest.param(filled(201), 431, id="a byte more"),
        pytest.param(asking((b"a", b""), (b"b", b"")), None, id="as many lines as may be"),
        pytest.param(asking((b"a", b""), (b"b", b""), (b"c", b"")), 431, id="a line more"),
        pytest.param(asking(path=b"/" + b"p" * 19), None, id="as long a target as may be"),
        pytest.param(asking(path=b"/" + b"p" * 20), 414, id="a byte longer"),
        pytest.param(asking(path=b"mcp"), 400, id="a path without a slash"),
        pytest.param(asking(path=b"*", method=b"OPTIONS"), None, id="everything"),
        pytest.param(asking(method=b"CONNECT"), 501, id="a tunnel"),
        pytest.param(asking()[:3], 501, id="no path"),
        pytest.param(asking(path=b"/\xe4"), 400, id="a path that is not ASCII"),
        pytest.param(asking(method=b"G\xcbT"), 400, id="a method that is not ASCII"),
        pytest.param(asking((b"host", b"A.test")), None, id="the same host twice"),
        pytest.param(asking((b"host", b"b.test")), 400, id="two hosts"),
        pytest.param(asking((b"host", b"a.test"), (b"host", b"a.test")), 400, id="two lines of host"),
        pytest.param([field for field in asking() if field[0] != b":authority"], 400, id="no host"),
        pytest.param([field for field in asking((b"host", b"a.test")) if field[0] != b":authority"], None, id="a host without authority"),
    ],
)
def test_a_request_is_refused_at_the_bound_and_with_the_status_of_our_own_server(fields: Fields, status: int | None) -> None:
    if status is None:
        judge_http2(fields, LIMITS)
        return
    with pytest.raises(RefusedMessage) as refused:
        judge_http2(fields, LIMITS)
    assert refused.value.status == status
