"""The counting of processes that other tests rely on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sluicegate.testing.family import ProcessFamily, is_running

pytestmark = pytest.mark.slow

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=sys.stdin)
print(child.pid, flush=True)
"""


def test_an_orphan_that_was_seen_is_still_counted() -> None:
    script = PARENT + "import sys, os; os.read(int(sys.argv[1]), 1)"
    gate, key = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", script, str(gate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[gate]
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        family = ProcessFamily()
        assert {parent.pid, grandchild} <= family.look()
        os.close(key)
        parent.wait(10)
        os.close(gate)
        assert parent.pid not in family.left()
        assert grandchild in family.left()
        parent.stdin.close()
    assert not is_running(parent.pid)


def test_a_process_that_never_was_does_not_run() -> None:
    assert not is_running(2**22 + 1)
