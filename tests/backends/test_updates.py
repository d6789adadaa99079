"""What a backend says of its resources costs no more than reading it, however long the names are."""

from __future__ import annotations

from time import process_time

import pytest
import trio.testing

from sluicegate.backends.link import Link
from sluicegate.backends.stdio import StdioConnector
from sluicegate.protocol.calls import OURSELVES
from sluicegate.protocol.changes import Outdated
from sluicegate.protocol.messages import Params, Raw, encode, read_text
from sluicegate.protocol.subscription import UPDATED, Subscription

LONGEST = 8192
Clock = trio.testing.MockClock


def update(uri: str) -> Params:
    return {"uri": Raw(encode(uri))}


@pytest.mark.parametrize("letter", ["a", "é"])
@pytest.mark.parametrize("more", [0, 1])
async def test_nothing_is_told_of_a_uri_that_nobody_may_ask_for(letter: str, more: int, autojump_clock: Clock) -> None:
    link, told = Link("b", StdioConnector("b", "b")), list[str]()
    link.watched.add("file:///dir", Subscription(OURSELVES, lambda uri, _params: told.append(uri)))
    uri = "file:///dir/"
    uri += letter * ((LONGEST - len(uri)) // len(letter.encode())) + "x" * more
    assert len(uri.encode()) == LONGEST + more
    link.notification(UPDATED, update(uri))
    assert told == ([] if more else [uri])
    assert link.changes.since(0) == (Outdated("resources", "" if more else uri),)


@pytest.mark.parametrize("watched", [True, False])
async def test_a_uri_as_long_as_a_message_stops_nobody(watched: bool, autojump_clock: Clock) -> None:
    """Each of its 128 beginnings would be hashed, which takes as many times as long as reading it."""
    link = Link("b", StdioConnector("b", "b"))
    if watched:
        link.watched.add("file:///dir", Subscription(OURSELVES, lambda _uri, _params: None))
    params = update("file:///" + "a" * (8 << 20) + "/" * 64)
    begins = process_time()
    for _ in range(3):
        read_text(params, "uri")
    reads, begins = process_time() - begins, process_time()
    link.notification(UPDATED, params)
    assert process_time() - begins < 5 * reads
