"""Nothing of an audit can be changed, taken out or put in without a word about the first line that is wrong."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from sluicegate.observe.audit.chain import BEGINNING, Chain, read_link
from sluicegate.observe.audit.chain_check import Verdict, verify

KEY = b"0123456789abcdef"


def written(count: int, key: bytes = b"") -> list[bytes]:
    chain = Chain(key)
    return [chain.seal(b'{"event":"request","target":"t%d"}' % number) for number in range(count)]


def verdict(tmp_path: Path, lines: Sequence[bytes], key: bytes = b"") -> Verdict:
    (tmp_path / "audit").write_bytes(b"".join(line + b"\n" for line in lines))
    return verify([tmp_path / "audit"], key)


@pytest.mark.parametrize("key", [b"", KEY])
def test_what_was_written_is_what_is_there(tmp_path: Path, key: bytes) -> None:
    lines = written(20, key)

    found = verdict(tmp_path, lines, key)

    assert (found.records, found.first, found.last, found.wrong, found.is_ended) == (20, 1, 20, None, False)
    assert found.chain == lines[-1][-66:-2].decode()


@pytest.mark.parametrize("key", [b"", KEY, b"k" * 100])
def test_each_chain_is_a_plain_hash_that_other_programs_work_out_too(key: bytes) -> None:
    before = BEGINNING
    for line in written(3, key):
        body, _, chain = line[:-2].rpartition(b',"chain":"')
        data = before.encode() + body
        assert chain.decode() == (hmac.digest(key, data, "sha256").hex() if key else hashlib.sha256(data).hexdigest())
        before = chain.decode()


def test_a_line_is_json_with_its_number_and_its_chain() -> None:
    link = read_link(written(1)[0])
    assert link is not None
    assert (link.seq, link.members) == (1, {"seq": 1, "event": "request", "target": "t0"})
    assert link.follows(BEGINNING, b"")


@pytest.mark.parametrize("seed", range(60))
def test_any_change_is_seen_at_the_line_where_it_is(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    lines = written(chance.randint(3, 12))
    at = chance.randrange(len(lines) - 1)
    what = chance.choice(("flip", "take out", "swap", "twice", "foreign"))
    if what == "flip":
        place = chance.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + bytes([lines[at][place] ^ (1 << chance.randrange(3))]) + lines[at][place + 1 :]
    elif what == "take out":
        del lines[at]
    elif what == "swap":
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    elif what == "twice":
        lines.insert(at, lines[at])
        at += 1
    else:
        lines.insert(at, written(at + 1, b"another")[at])

    found = verdict(tmp_path, lines).wrong

    assert found is not None, what
    assert found.line in {at + 1, at + 2}, (what, found)


def test_what_is_missing_is_counted(tmp_path: Path) -> None:
    lines = written(9)
    del lines[3:6]
    found = verdict(tmp_path, lines).wrong
    assert found is not None
    assert (found.line, found.what) == (4, "records 4 to 6 are missing before this one, which is 7")


def test_who_does_not_know_the_key_can_write_no_history(tmp_path: Path) -> None:
    """Without a key anybody can who can write the file; that is what the key is for."""
    assert verdict(tmp_path, written(5)).wrong is None
    forged = verdict(tmp_path, written(5), KEY).wrong
    assert forged is not None
    assert forged.line == 1


def test_a_file_without_its_beginning_is_told_of(tmp_path: Path) -> None:
    found = verdict(tmp_path, written(9)[4:]).wrong
    assert found is not None
    assert "the beginning is missing: this is record 5" in found.what


def test_a_line_cut_by_a_crash_is_one_only_if_the_next_record_says_so(tmp_path: Path) -> None:
    lines = written(4)
    lines[2] = lines[2][:20]
    found = verdict(tmp_path, lines).wrong
    assert found is not None
    assert (found.line, found.what) == (3, "this is no record, and the one behind it does not tell of a crash")
    found = verdict(tmp_path, lines[:3]).wrong
    assert found is not None
    assert (found.line, found.what) == (3, "this is no record, or only the beginning of one")


def test_an_empty_audit_has_no_records(tmp_path: Path) -> None:
    assert verdict(tmp_path, []) == Verdict()


@pytest.mark.parametrize("event", ["stop", "lost", "file", "resumed"])
@pytest.mark.parametrize("more", ["", ',"records":1000', ',"a":1e400', ',"a":' + "[" * 990 + "]" * 990])
def test_what_a_caller_wrote_tells_nothing_of_the_audit(tmp_path: Path, event: str, more: str) -> None:
    chain = Chain()
    lines = [chain.seal(b'{"event":"request","arguments":{"event":"%b"%b}}' % (event.encode(), more.encode())) for _ in range(3)]
    assert verdict(tmp_path, lines) == Verdict(3, 1, 3, chain.last)
    found = verdict(tmp_path, lines[1:]).wrong
    assert found is not None
    assert (found.line, "the beginning is missing" in found.what) == (1, True)


@pytest.mark.parametrize(
    "body", [b'"event":"file","before":', b'"event":"lost","a":1e400', b'"event":"resumed","x":' + b"[" * 5_000, b"}}{"]
)
@pytest.mark.parametrize("seq", [1, 2])
def test_a_forged_line_is_named_whatever_it_holds(tmp_path: Path, body: bytes, seq: int) -> None:
    forged = b'{"seq":%d,%b,"chain":"%b"}' % (seq, body, b"a" * 64)
    for lines in ([forged], [b"torn", forged]):
        found = verdict(tmp_path, lines).wrong
        assert found is not None
        assert found.line == 1
