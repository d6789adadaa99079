"""Transcripts and their comparison."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate.protocol.messages import Raw
from sluicegate.testing import Transcript, assert_transcript


async def test_lines_have_the_virtual_time(autojump_clock: trio.testing.MockClock) -> None:
    await trio.sleep(5)
    transcript = Transcript()
    transcript.note("began", 1)
    await trio.sleep(1.5)
    transcript.note("heard", b"\xffx")

    assert list(transcript) == ["    0.000 began 1", "    1.500 heard \\xffx"]
    assert str(transcript) == "    0.000 began 1\n    1.500 heard \\xffx"


async def test_raw_json_is_read_and_an_address_is_refused() -> None:
    transcript = Transcript()
    transcript.note("said", Raw(b'{"a":1}'))
    assert_transcript(transcript, 'said {"a":1}')
    with pytest.raises(ValueError, match="an address in memory is in the line '<object object at 0x"):
        transcript.note(object())


async def test_equal_transcripts_pass_with_their_times_or_without(autojump_clock: trio.testing.MockClock) -> None:
    transcript = Transcript()
    transcript.note("one")
    await trio.sleep(2)
    transcript.note("two 2")

    assert_transcript(transcript, ["one", "two 2"])
    assert_transcript(transcript, "one\n7.000 two 2")
    assert_transcript(
        transcript,
        """
        0.000 one
        2.000 two 2
        """,
        times=True,
    )


def test_a_difference_is_shown_line_by_line() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_transcript(["0.000 one", "1.000 two", "2.000 three"], ["one", "three", "four"])
    assert str(caught.value).splitlines() == [
        "the transcript is not as expected:",
        "--- expected",
        "+++ actual",
        "@@ -1,3 +1,3 @@",
        " one",
        "+two",
        " three",
        "-four",
    ]


def test_other_times_are_a_difference_where_they_are_asked_for() -> None:
    with pytest.raises(AssertionError, match=r"(?s)-1\.000 one.*\+2\.000 one"):
        assert_transcript("2.000 one", "1.000 one", times=True)
