"""How the daemon's process treats memory; looked at in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sluicegate.cli.memory import THRESHOLDS

LOOK = """
import gc, json, resource
from sluicegate.cli.memory import settle_memory
settle_memory()
for _ in range(3):
    bytes(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    bytes(1 << 20)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(json.dumps([gc.get_threshold(), gc.get_freeze_count() > 1000, faults]))
"""


def test_a_large_block_is_had_again_without_the_system_and_what_is_loaded_is_no_business_of_the_collector() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=60)

    thresholds, is_frozen, faults = json.loads(done.stdout)
    assert (tuple(thresholds), is_frozen) == (THRESHOLDS, True)
    if sys.platform == "linux":  # only the GNU C library has these settings
        assert faults < 1000, "a hundred blocks of 256 pages each"


LOADED = """
import gc, sys
from sluicegate.__main__ import main
sys.argv[1:] = ["run", "--help"]
gc.collect()
before = [generation["collections"] for generation in gc.get_stats()]
try:
    main()
finally:
    import sluicegate.cli.serving, sluicegate.gateway.engine
    print([generation["collections"] for generation in gc.get_stats()] == before)
"""


def test_the_collector_does_not_look_while_the_program_is_loaded() -> None:
    """Nothing that is loaded is garbage, and there is more and more of it to be looked at."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == "True"


HOLES = """
import json, sys, trio, trio.testing
from pathlib import Path
from sluicegate.cli.memory import give_memory_back, settle_memory

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

async def main():
    with trio.move_on_after(float(sys.argv[1])):
        await give_memory_back()

settle_memory()
before = pages()
kept = []
for _ in range(100):
    large = bytearray(1 << 20)
    kept.append((large, bytearray(300_000)))
full = pages()
kept = [small for _, small in kept]
holes = pages()
trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
print(json.dumps([full - before, full - holes, holes - pages()]))
"""


@pytest.mark.parametrize(("seconds", "is_given_back"), [(9.5, False), (10.5, True)])
def test_what_is_free_between_what_lives_goes_back_to_the_system_every_ten_seconds(seconds: float, is_given_back: bool) -> None:
    """A hundred holes of a mebibyte, in pages of 4 KiB or more; only the GNU C library keeps them, and gives them back when asked."""
    done = subprocess.run([sys.executable, "-c", HOLES, str(seconds)], capture_output=True, text=True, check=True, timeout=60)

    taken, of_itself, given_back = json.loads(done.stdout)
    if sys.platform == "linux":
        assert of_itself < taken // 10
        assert (given_back > taken // 2) is is_given_back
