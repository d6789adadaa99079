"""The bugs made by hand still fit the source, and name the tests that have to catch them; ``scripts/mutants`` tries them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from tests.kit.checkout import ROOT

PATCHES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))
BUGGY = {
    "breaker": "the circuit breaker",
    "budget": "the budget of further attempts",
    "cache": "answers that are given again",
    "change": "one configuration after another",
    "coalesce": "calls that several wait for",
    "concurrency": "so many calls at a time",
    "config": "what files say, and what of it may be shown",
    "deadline": "those of calls and of attempts",
    "edge": "where the process ends, and what bounds stand on",
    "failover": "who is asked next",
    "fault": "what may be done about a failure",
    "gate": "what breaker and outlier detection are told",
    "health": "pings, and calls in their place",
    "hedge": "copies of slow calls, and their timer",
    "http1": "connections, between one message and the next",
    "latencies": "the delay that is found out",
    "mirror": "copies that nobody waits for",
    "order": "how all of them are put together",
    "outlier": "outlier detection and its groups",
    "question": "what backends ask, and who is asked",
    "rate": "the rate limit",
    "repeatable": "which calls may run twice",
    "retry": "attempts one after the other",
    "split": "the share of a canary",
    "tickets": "by which sessions go on elsewhere",
    "waking": "who waits, and is never or always woken",
    "window": "the outcomes that a breaker looks at",
}
"""What a bug can be in: the first word of its name."""
LEAST = 5
"""So many of each."""


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of all tests of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(name for name in functions if name.startswith("test_"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_bug_made_by_hand_can_still_be_put_into_the_source(patch: Path) -> None:
    outside = os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}
    ran = subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT, env=outside, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, ""), "make the bug anew in what the source is now"


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_bug_made_by_hand_says_what_it_is_and_which_tests_have_to_catch_it(patch: Path) -> None:
    head, _, diff = patch.read_text(encoding="utf-8").partition("\n--- ")
    what, *rest = head.splitlines()
    changed = re.findall(r"^\+\+\+ b/(\S+)", diff, re.MULTILINE)
    tests = [test for line in rest if line.startswith("tests:") for test in line.removeprefix("tests:").split()]

    assert what.endswith(".")
    assert changed
    assert all(file.startswith("src/sluicegate/") for file in changed)
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in {"", *names_in(file)}, test


def test_there_are_at_least_five_bugs_of_each_kind() -> None:
    made = Counter(patch.stem.partition("-")[0] for patch in PATCHES)

    assert made.keys() == BUGGY.keys()
    assert {kind: number for kind, number in made.items() if number < LEAST} == {}


def test_no_bug_is_made_twice() -> None:
    diffs = Counter(patch.read_text(encoding="utf-8").partition("\n--- ")[2] for patch in PATCHES)

    assert [diff for diff, times in diffs.items() if times > 1] == []
