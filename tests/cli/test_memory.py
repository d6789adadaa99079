"""How the daemon's process treats memory; looked at in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

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
