"""What the fuzz targets claim, for their seeds and for some thousand blind changes of them: so a target that lies is noticed at once."""

from __future__ import annotations

import random
import runpy
from pathlib import Path

import pytest
from tests.fuzz.timing import PUMPED, check, pumped

TARGETS = ("envelope", "http1", "lines", "patterns", "sse")


def changed(data: bytes, seeds: list[bytes], tokens: tuple[bytes, ...], chance: random.Random) -> bytes:
    """The data with up to four changes behind its first byte."""
    text = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(1, len(text))
        match chance.randrange(5):
            case 0:
                text[at : at + 1] = chance.randbytes(1)
            case 1:
                text[at:at] = chance.choice(tokens)
            case 2:
                del text[at : at + chance.randint(1, 8)]
            case 3:
                other = chance.choice(seeds)
                text[at:] = other[chance.randint(1, len(other)) :]
            case _:
                text[at:at] = text[max(at - chance.randint(1, 30), 1) : at]
    return bytes(text)


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_of_a_fuzz_target_holds(target: str) -> None:
    module = runpy.run_path(str(Path(__file__).with_name(f"{target}.py")))
    for seed in module["SEEDS"]:
        module["check"](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_blind_changes_of_the_seeds_hold(target: str) -> None:
    module = runpy.run_path(str(Path(__file__).with_name(f"{target}.py")))
    seeds, tokens, chance = module["SEEDS"], module["TOKENS"], random.Random(target)
    for _ in range(1500):
        data = changed(chance.choice(seeds), seeds, tokens, chance)[: module["LONGEST"]]
        try:
            module["check"](data)
        except Exception as error:
            raise AssertionError(f"{target} fails for {data!r}") from error


def test_what_grows_faster_than_its_input_is_a_finding() -> None:
    with pytest.raises(AssertionError, match="8192 bytes take"):
        check(lambda data: sum(range(len(data) ** 2)), bytes(8192))


def test_an_input_is_pumped_up_between_its_ends() -> None:
    long = pumped(b"\x01abc\n\n\ndef")

    assert long[:1] == b"\x01"
    assert PUMPED < len(long) < PUMPED + 100
    assert pumped(b"\x01") == b"\x01"
