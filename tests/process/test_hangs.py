"""Tests that hang on a real clock, each in a run of pytest of its own, with the settings of this project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.checkout import ROOT

HANGING = """
import time
import trio
from hypothesis import given, strategies as st

async def test_that_waits(nursery):
    nursery.start_soon(trio.sleep_forever, name="who waits")
    await trio.sleep_forever()

async def test_that_comes_round(autojump_clock):
    while True:
        await trio.lowlevel.checkpoint()

@given(st.booleans())
async def test_of_a_property(_):
    await trio.sleep_forever()

async def test_that_never_yields():
    while True:
        time.sleep(0.01)

async def test_that_is_well():
    await trio.sleep(0)
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "tests/conftest.py"):
        (tmp_path / Path(name).name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_hanging.py").write_text(HANGING, encoding="utf-8")
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "testpaths=.", "--patience=0.5", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_whoever_hangs_on_trio_fails_and_the_others_run_on(folder: Path) -> None:
    ran = run(folder, "-k", "not never_yields")

    assert "3 failed, 1 passed" in ran.stdout
    assert "who waits" in ran.stdout
    assert re.search(r"\| .*test_hanging.py:\d+ test_that_waits\n", ran.stdout)
    assert re.search(r"\| .*test_hanging.py:\d+ test_that_comes_round\n", ran.stdout)
    assert re.search(r"\| .*test_hanging.py:\d+ test_of_a_property\n", ran.stdout)


def test_whoever_never_comes_back_to_the_loop_ends_its_worker_with_a_stack_and_is_named(folder: Path) -> None:
    ran = run(folder, "-n", "1", "-o", "faulthandler_timeout=3", "-k", "never_yields or well")

    assert "1 failed, 1 passed" in ran.stdout
    assert re.search(r"crashed while running '.*test_that_never_yields'", ran.stdout)
    assert re.search(r'File ".*test_hanging.py", line \d+ in test_that_never_yields', ran.stderr)
