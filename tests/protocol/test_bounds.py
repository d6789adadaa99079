"""Bounds of what is read and shown, at their edge."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sluicegate.protocol.ahead import crowded_ahead
from sluicegate.protocol.batches import decode_batch, is_batch
from sluicegate.protocol.blot import blotting, shown, unblotted
from sluicegate.protocol.duplex import Outgoing
from sluicegate.protocol.faults import backend_error
from sluicegate.protocol.halves import find_half, with_whole_characters
from sluicegate.protocol.headers import accepts
from sluicegate.protocol.members import Malformed, decode_array, decode_object
from sluicegate.protocol.messages import Raw
from sluicegate.protocol.names import fitting, shorten
from sluicegate.protocol.sse import Event, EventParser, OversizedEvent
from sluicegate.protocol.tokens import own_key, own_number
from sluicegate.protocol.values import read_value


@pytest.mark.parametrize(("secret", "is_one"), [("12345", False), ("123456", True), (" 12345 ", True), ("     ", False)])
def test_a_secret_has_at_least_six_characters(secret: str, is_one: bool) -> None:
    assert (blotting([secret]) is not unblotted) is is_one


@pytest.mark.parametrize(("line", "becomes"), [("abcdefghijklmno", "abcdefghijklmno"), ("abcdefghijklmnop", "***")])
def test_a_line_of_a_secret_is_one_from_16_characters_on(line: str, becomes: str) -> None:
    assert blotting([f"first\n{line}\nlast"])(line) == becomes


def test_of_a_long_text_twice_as_much_is_looked_through_as_is_shown() -> None:
    text = shown("secret-7" * 10_000, blotting(["secret-7"]))
    assert text == "***" * 4096 + "… (80000 characters)"


@pytest.mark.parametrize(("digits", "kind"), [("9" * 4300, int), ("9" * 4301, Decimal)])
def test_a_number_of_4300_digits_is_an_integer(digits: str, kind: type) -> None:
    value = read_value(Raw(digits.encode()))
    assert (type(value), value) == (kind, kind(digits))


@pytest.mark.parametrize(("size", "more"), [(199, 1), (200, 0), (201, -1)])
def test_200_bytes_of_an_error_that_nobody_can_read_are_shown_to_the_operator(size: int, more: int) -> None:
    error = b'{"x":"' + b"y" * (size - 9) + b'"}z'
    assert len(error) == size
    fault = backend_error("b", Raw(error))
    assert fault.told.endswith(": " + error[:200].decode())
    assert ("z" in fault.told.rpartition(": ")[2]) is (more >= 0)
    assert "y" not in fault.message.replace("may", "")


@pytest.mark.parametrize("limit", [10, 64])
def test_a_short_name_has_just_as_many_characters_as_it_may_of_which_nine_are_its_mark(limit: int) -> None:
    name = "n" * (limit + 1)
    short = shorten(name, limit)
    assert shorten(name[1:], limit) == name[1:]
    assert (len(short), short[:-9], short[-9]) == (limit, "n" * (limit - 9), "_")
    assert int(short[-8:], 16) >= 0
    assert shorten(name, 0) == name
    odd = fitting("é" + name, limit)
    assert (len(odd), odd[: limit - 9], odd[-9]) == (limit, "_" + "n" * (limit - 10), "_")
    assert fitting("é" + name, 0)[:-9] == "_" + name


@pytest.mark.parametrize(("place", "is_crowded"), [(32 * 1024 - 1, True), (32 * 1024, False)])
def test_what_is_crowded_is_so_in_its_first_32_kibibytes(place: int, is_crowded: bool) -> None:
    """There the colon of the 513th member stands, and in front of it everything that is needed to know that."""
    members = b"".join(b'"%03d":1,' % number for number in range(511))
    filler = b'"x":"%b",' % (b"y" * (place - len(members) - len(b'{"x":"",') - len(b'"last"')))
    beginning = b"{" + filler + members + b'"last":'
    assert beginning.index(b'"last":') + 6 == place
    message = beginning + b"1," + b'"z":"%b"}' % (b"z" * 40_000)
    assert beginning.count(b":") == 513
    assert (crowded_ahead(message) is not None) is is_crowded


@pytest.mark.parametrize(("size", "is_looked_at"), [(64 * 1024, False), (64 * 1024 + 1, True)])
def test_what_has_64_kibibytes_is_read_as_a_whole(size: int, is_looked_at: bool) -> None:
    members = b",".join(b'"%03d":1' % number for number in range(513))
    message = b"{" + members + b"}" + b" " * (size - len(members) - 2)
    assert (crowded_ahead(message) is not None) is is_looked_at


@pytest.mark.parametrize(("blanks", "is_one"), [(0, True), (63, True), (64, False)])
def test_a_batch_begins_among_the_first_64_bytes(blanks: int, is_one: bool) -> None:
    assert is_batch(b" " * blanks + b"[]") is is_one


@pytest.mark.parametrize(("size", "is_taken"), [(1024 * 1024, True), (1024 * 1024 + 1, False)])
def test_a_batch_has_up_to_a_mebibyte(size: int, is_taken: bool) -> None:
    batch = b'["%b"]' % (b"x" * (size - 4))
    assert (len(batch), isinstance(decode_batch(batch), list)) == (size, is_taken)


@pytest.mark.parametrize(("number", "is_taken"), [(256, True), (257, False)])
def test_a_batch_has_up_to_256_members(number: int, is_taken: bool) -> None:
    assert isinstance(decode_batch(b"[" + b",".join([b"1"] * number) + b"]"), list) is is_taken


@pytest.mark.parametrize("value", [b"1", b'"%b"' % (b"x" * 50), b'"%b"' % (b"x" * 200)], ids=["small", "medium", "large"])
@pytest.mark.parametrize(("number", "is_taken"), [(512, True), (513, False)])
def test_an_object_has_up_to_512_members(value: bytes, number: int, is_taken: bool) -> None:
    whole = b"{" + b",".join(b'"%d":%b' % (key, value) for key in range(number)) + b"}"
    for data in (whole, Raw(whole)):
        members = decode_object(data)
        assert isinstance(members, Malformed) is not is_taken
        assert not is_taken or len(members) == number  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [b"1", b"111111"])
@pytest.mark.parametrize(("number", "found"), [(9_999, 9_999), (10_000, 10_000), (10_001, 10_001), (30_000, 10_001)])
def test_of_an_array_10_000_entries_are_read_and_one_that_says_that_there_are_more(value: bytes, number: int, found: int) -> None:
    entries = decode_array(Raw(b"[" + b",".join([value] * number) + b"]"))
    assert (len(entries), {bytes(entry) for entry in entries}) == (found, {value})


@pytest.mark.parametrize(("number", "is_mended"), [(10_000, True), (10_001, False)])
def test_10_000_halves_of_characters_are_mended(number: int, is_mended: bool) -> None:
    mended = with_whole_characters(b'"' + b"\\ud800" * number + b'"')
    assert mended == (b'"' + b"\\ufffd" * number + b'"' if is_mended else None)


@pytest.mark.parametrize(("before", "place"), [(19_999, 8 * 19_999), (20_000, None)])
def test_halves_are_looked_for_in_20_000_places(before: int, place: int | None) -> None:
    """What looks like one and is text is a place, too."""
    assert find_half(b"\\\\ud800 " * before + b"\\udc00") == place


@pytest.mark.parametrize(("number", "is_late"), [(256, True), (257, False)])
def test_256_answers_may_come_late_and_be_no_surprise(number: int, is_late: bool) -> None:
    ours: Outgoing[Event] = Outgoing()  # type: ignore[type-var]
    for one in range(number):
        ours.give_up(one)
    assert [ours.was_given_up(0), ours.was_given_up(number - 1), ours.was_given_up(number - 1)] == [is_late, True, False]


@pytest.mark.parametrize("digits", [b"9" * 18, b"7.0" + b"0" * 15, b"-" + b"9" * 17])
def test_a_number_of_ours_has_up_to_18_digits(digits: bytes) -> None:
    assert (own_number(digits), own_key(digits.decode())) == (int(float(digits)) if b"." in digits else int(digits),) * 2
    assert (own_number(b"0" + digits), own_key("0" + digits.decode())) == (-1, -1)


@pytest.mark.parametrize("pieces", [1, 7])
def test_an_event_has_just_as_many_bytes_as_it_may(pieces: int) -> None:
    """Names of fields and all; line ends and the next event do not count."""
    event = b"id: 1\ndata: 123456"
    for limit, first in ((17, Event(b"123456", id="1")), (16, OversizedEvent(16, b"12345"))):
        parser, stream = EventParser(limit), event + b"\n\n" + event + b"\n\n"
        found = [one for at in range(0, len(stream), pieces) for one in parser.feed(stream[at : at + pieces])]
        assert found == [first, first]


def test_what_comes_in_small_pieces_is_kept_in_pieces_of_a_kibibyte() -> None:
    parser = EventParser(10_000)
    for size in (1023, 1, 1, 2000, 1, 1):
        assert list(parser.feed(b"x" * size)) == []
    assert [len(part) for part in parser._parts] == [1024, 2001, 2]


@pytest.mark.parametrize(("retry", "seconds"), [(b"999999999", 999_999.999), (b"1000000000", None), (b"1", 0.001), (b"0", 0.0)])
def test_a_pause_that_is_asked_for_has_up_to_nine_digits(retry: bytes, seconds: float | None) -> None:
    parser = EventParser(100)
    list(parser.feed(b"retry: %b\n" % retry))
    assert parser.retry_seconds == seconds


@pytest.mark.parametrize(
    ("accept", "is_taken"),
    [
        ("text/*;q=0, */*", False),
        ("*/*, text/*;q=0", False),
        ("text/*, */*;q=0", True),
        ("text/event-stream, text/*;q=0", True),
        ("text/*;q=0, text/event-stream;q=0.001", True),
        ("text/event-stream;q=0., */*", False),
        ("text/event-stream;v=1;Q=0.000, */*", False),
        ("text/event-stream;q=0, text/event-stream", False),
        ("application/*, text/plain", False),
        ("", False),
    ],
)
def test_the_most_special_range_of_an_accept_header_decides_and_the_first_of_them(accept: str, is_taken: bool) -> None:
    assert accepts(accept, "text/event-stream") is is_taken
