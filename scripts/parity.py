"""Which tests assert what ``requirements.rst`` says of the traffic policies: a test names the id in its docstring or in a comment, and asserts something.

Prints every row with its tests; the exit code is 1 if a row has none, or a test names a row that does not exist.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
REQUIREMENTS = ROOT / "src" / "sluicegate" / "requirements.rst"
PART = "Traffic policies\n----------------\n"
"""Its last part; a chapter of it begins with an underlined word."""
ID = re.compile(r"\b(?:RES|FO|CAN|MIR|GRL|HC|CACHE|COA|LIM|TST|DEC|VAL)-(?:[A-Z]?\d+[a-e]?)\b")
FAMILIES = ("RES-", "FO-", "CAN-", "MIR-", "GRL-", "HC-", "CACHE-", "COA-")
"""Of these, an id that is no row is a mistake; the others have rows elsewhere, too."""


def rows() -> dict[str, dict[str, str]]:
    """Words by id, by chapter."""
    found: dict[str, dict[str, str]] = {}
    lines = REQUIREMENTS.read_text(encoding="utf-8").partition(PART)[2].splitlines()
    for line, following in pairwise([*lines, ""]):
        if following.startswith("~~~~"):
            found[line] = {}
        elif row := re.fullmatch(r":(\S+): (.*) \(.*\)", line):
            list(found.values())[-1][row[1]] = row[2]
    return found


def named() -> dict[str, list[str]]:
    """By id, the tests that name it and assert something."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        comments = dict(_comments(text))
        for test in _tests(ast.parse(text)):
            lines = range(min([test.lineno, *(mark.lineno for mark in test.decorator_list)]), (test.end_lineno or test.lineno) + 1)
            said = " ".join([ast.get_docstring(test) or "", *(comments.get(line, "") for line in lines)])
            if _asserts(test):
                for one in dict.fromkeys(ID.findall(said)):
                    found[one].append(f"{path.relative_to(TESTS)}::{test.name}")
    return found


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def _asserts(test: ast.AST) -> bool:
    """Whether it checks anything: an assert, an expected exception, or a function whose name says so."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "raises" or name.startswith(("assert_", "check_", "_assert", "_check")):
                return True
    return False


def main(arguments: list[str]) -> int:
    """Print them."""
    known, tests = rows(), named()
    only_missing = "--missing" in arguments
    missing = [one for chapter in known.values() for one in chapter if one not in tests]
    for chapter, entries in known.items():
        print(f"\n{chapter}") if not only_missing else None
        for one, words in entries.items():
            _show(one, words, tests.get(one, []), only_missing=only_missing)
    strange = _strange(known, tests)
    for one in strange:
        print(f"{one:9} is named by {tests[one][0]}, and there is no such row")
    total = sum(len(chapter) for chapter in known.values())
    print(f"\n{total - len(missing)} of {total} rows are asserted" + (f"; missing: {', '.join(missing)}" if missing else ""))
    return 1 if missing or strange else 0


def _show(one: str, words: str, tests: list[str], *, only_missing: bool) -> None:
    if tests and not only_missing:
        print(f"  {one:9} {words}")
        for test in tests:
            print(f"            {test}")
    elif not tests:
        print(f"  {one:9} {words}\n            MISSING")


def _strange(known: Mapping[str, Mapping[str, str]], tests: Mapping[str, list[str]]) -> list[str]:
    all_rows = {one for chapter in known.values() for one in chapter}
    return [one for one in tests if one.startswith(FAMILIES) and one not in all_rows]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
