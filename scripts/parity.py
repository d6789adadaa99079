"""What becomes of each requirement that there is: done, by which tests; decided otherwise, and why; not built, and what it belongs to.

A test asserts one if it names its id, in its docstring, in a comment, or in a comment of a table that it uses, and checks something. What
``requirements.rst`` says of the traffic policies is printed row by row; the exit code is 1 if a row of these has no test, or a test names one
that does not exist. All others that no test names are in ``parity.toml``.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import attrs

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
REQUIREMENTS = ROOT / "src" / "sluicegate" / "requirements.rst"
TABLE = ROOT / "scripts" / "parity.toml"
PART = "Traffic policies\n----------------\n"
"""Its last part; a chapter of it begins with an underlined word."""
_NAMES = (
    "CFG|CLI|CORE|GMW|AUTH|RBAC|LOG|MET|TOK|CMP|ALIAS|FLT|PAR|INJ|VAL|COA|CACHE|MIR|FO|CAN|DISC|GRL|RES|ADM|ADMT|SKILL|HC|OBS|HTTP|LIB|PKG|HR|LIM|V05|TST"
    "|ERR|CST|FEA|DEC"
)
ID = re.compile(rf"\b(?:{_NAMES})-(?:[A-Z]?\d+[a-e]?)\b")
RANGE = re.compile(r"(.*-[A-Z]?)(\d+) … (?:.*-[A-Z]?)(\d+)")
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
    for test, said in asserting():
        for one in dict.fromkeys(ID.findall(said)):
            found[one].append(test)
    return found


def asserting() -> Iterator[tuple[str, str]]:
    """All tests that assert something, and what is said in them and beside the tables that they use."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        comments, tree = dict(_comments(text)), ast.parse(text)
        tables = dict(_assigned(tree))
        for test in filter(_asserts, _tests(tree)):
            lines = range(min([test.lineno, *(mark.lineno for mark in test.decorator_list)]), (test.end_lineno or test.lineno) + 1)
            used = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
            more = [line for name in used & tables.keys() for line in tables[name]]
            said = [ast.get_docstring(test) or "", *(comments.get(line, "") for line in (*lines, *more))]
            yield f"{path.relative_to(TESTS)}::{test.name}", " ".join(said)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _assigned(tree: ast.Module) -> Iterator[tuple[str, range]]:
    """The tables of a file, by name, and the lines of each."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        yield from ((target.id, range(node.lineno, (node.end_lineno or 0) + 1)) for target in targets if isinstance(target, ast.Name))


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


@attrs.frozen
class Known:
    """What ``parity.toml`` says: a word or a sentence by id, and ids by what they belong to."""

    otherwise: Mapping[str, str]
    partly: Mapping[str, str]
    held: Mapping[str, Sequence[str]]
    """By a test that does not name it, or by several together."""
    missing: Mapping[str, Sequence[str]]
    unread: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls) -> Known:
        """What stands there, with ranges spelled out."""
        table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
        held = {one: [tests] if isinstance(tests, str) else tests for one, tests in table.get("held", {}).items()}
        groups = {part: {name: [*_spelled(ids)] for name, ids in table.get(part, {}).items()} for part in ("missing", "unread")}
        return cls(table.get("otherwise", {}), table.get("partly", {}), held, groups["missing"], groups["unread"])

    def ids(self) -> list[str]:
        """All of them, in the order of the page; one that stands there twice comes twice."""
        groups = (*self.missing.values(), *self.unread.values())
        return [*self.otherwise, *self.partly, *self.held, *(one for group in groups for one in group)]


def _spelled(ids: Iterable[str]) -> Iterator[str]:
    for one in ids:
        found = RANGE.fullmatch(one)
        yield from (f"{found[1]}{number}" for number in range(int(found[2]), int(found[3]) + 1)) if found else (one,)


def states(known: Known, tests: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    """By id, what becomes of it in one word, and what is to be said of that. A test wins over what nobody has looked at, or is not built."""
    found = {one: ("not looked at", group) for group, ids in known.unread.items() for one in ids}
    found |= {one: ("missing", group) for group, ids in known.missing.items() for one in ids}
    found |= {one: ("done", names[0]) for one, names in known.held.items()}
    found |= {one: ("done", names[0]) for one, names in tests.items()}
    found |= {one: ("partly", words) for one, words in known.partly.items()}
    return found | {one: ("decided otherwise", words) for one, words in known.otherwise.items()}


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
    _show_all(states(Known.read(), tests), only_missing=only_missing)
    total = sum(len(chapter) for chapter in known.values())
    print(f"\n{total - len(missing)} of {total} rows are asserted" + (f"; missing: {', '.join(missing)}" if missing else ""))
    return 1 if missing or strange else 0


def _show_all(found: Mapping[str, tuple[str, str]], *, only_missing: bool) -> None:
    """All that there are, by what becomes of them; what is not built by what it belongs to."""
    for state in ("decided otherwise", "partly", "missing", "not looked at"):
        if only_missing and state not in ("partly", "missing"):
            continue
        ids = {one: words for one, (its, words) in found.items() if its == state}
        print(f"\n{state}: {len(ids)}")
        if state in ("decided otherwise", "partly"):
            for one, words in ids.items():
                print(f"    {one:9} {words}")
            continue
        for group in dict.fromkeys(ids.values()):
            members = [one for one, its in ids.items() if its == group]
            print(f"    {group} ({len(members)}): {', '.join(members)}")
    done = sum(its == "done" for its, _ in found.values())
    print(f"\nof {len(found)} that there are {done} are done")


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
