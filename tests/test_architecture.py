"""The shape of the source: who may import whom, how big things get, and what an import costs."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import attrs
import pytest
from tests.kit.checkout import ROOT

SOURCE = ROOT / "src" / "sluicegate"
MODULES = sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyi")])
"""The stubs are where the packages list their public names, and where these come from."""

LEVELS = (
    {"protocol", "settings", "sources", "telling", "tls", "waiting", "identity"},
    {"policies", "routing", "observe", "outside", "channel"},
    {"http1", "config", "bridge"},
    {"backends", "frontends", "hypercorn"},
    {"gateway"},
    {"testing", "__init__"},
    {"cli"},
    {"__main__"},
)
"""Rooms, lowest first. A room imports from its own level and from those below, and rooms of one level never in a circle."""

MOST_FLOORS = 9
MOST_ARROWS = 92

STRANGERS = {
    "config": {"backends", "frontends", "hypercorn", "gateway"},
    "frontends": {"backends", "hypercorn", "bridge", "gateway"},
    "backends": {"frontends", "hypercorn", "bridge", "config", "gateway"},
    "hypercorn": {"frontends", "backends", "config"},
    "policies": {"routing", "backends", "frontends", "config"},
    "bridge": {"frontends", "backends", "gateway"},
}
"""Rooms that never know each other, whatever their levels are: the two sides of a gateway, and what is said of it and what it does."""

GATEWAY = ("nurseries", "faulting", "connectors", "engine")
"""The ground of ``gateway/``: these import none of the others there."""

MOST_OF_A_PREFIX = 3
"""So many files of one folder may begin with the same word; more of them want to be a folder."""

LONG_FILES: dict[str, str] = {}
"""Source files of more than 250 lines, each with its reason."""

SAME_ON_BOTH_SIDES = {
    "backend": "what stands behind a gateway, live or scripted",
    "backends": "their settings, and what these must keep to",
    "child": "a process, and one that fails on purpose",
    "connection": "of HTTP: a server's, a client's, Hypercorn's",
    "listen": "its settings, and what these must keep to",
    "schema": "the document, and the command that prints it",
    "server": "of HTTP, ours and Hypercorn's, and what TLS needs to be one",
    "session": "with a backend, on any transport and over HTTP",
    "settings": "of what stands beside them",
    "stdio": "in front and behind",
}
"""Names of files that stand more than once, because it is the same idea in each place."""

BANNED_NAMES = {"utils", "helpers", "common", "manager", "misc"}
BANNED_WORDS = ("Upstream", "Middleware", "Manager", "Service")

HEAVY = ("mcp", "pydantic", "starlette", "hypercorn", "httpx2", "jwt", "joserfc", "cryptography", "nacl")
EVENT_LOOP = ("trio", "structlog")


def room(module: Path) -> str:
    """The room of a module: its folder, or its own name at the top."""
    parts = module.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def level(name: str) -> int:
    """How high a room stands; each must be given its place."""
    found = [height for height, rooms in enumerate(LEVELS) if name in rooms]
    assert found, f"room {name!r} is in no level: give it one here and in the design"
    return found[0]


def parse(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def imports(module: Path) -> Iterator[str]:
    """The project's own modules that a module names, also inside functions, as dotted paths below the package; "" is the package itself."""
    package = list(module.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else None
            named = (node.module or "").split(".") if node.module else []
            if start is None:
                if named[:1] != ["sluicegate"]:
                    continue
                start, named = [], named[1:]
            base = [*start, *named]
            for alias in node.names:
                yield ".".join(base if base and is_module(base) and not is_module([*base, alias.name]) else [*base, alias.name])
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("sluicegate").removeprefix(".") for alias in node.names if alias.name.split(".")[0] == "sluicegate"
            )


def is_module(parts: list[str]) -> bool:
    path = SOURCE.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").exists()


def room_of_import(dotted: str) -> str:
    """The room an import leads to; a name of the package itself belongs to its ``__init__``."""
    first = dotted.partition(".")[0]
    return first if first and is_module([first]) else "__init__"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(module: Path) -> None:
    """Down or sideways; the package's own front door is for users, not for rooms below it."""
    own = room(module)
    upward = sorted({target for target in imports(module) if level(room_of_import(target)) > level(own)})
    assert upward == [], f"{module.relative_to(SOURCE)} imports upward"


def test_rooms_never_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(rooms()).prepare()
    except CycleError as error:
        pytest.fail(f"rooms in a circle: {' -> '.join(error.args[1])}")


def rooms() -> dict[str, set[str]]:
    """Each room, and those that it imports."""
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        own = room(module)
        graph.setdefault(own, set()).update(target for dotted in imports(module) if (target := room_of_import(dotted)) != own)
    return graph


def test_the_house_has_few_floors_and_few_arrows() -> None:
    """A room stands one floor above the highest that it imports; an arrow is a pair of rooms of which one imports the other, however often."""
    graph = rooms()
    floor: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        floor[name] = 1 + max((floor[target] for target in graph[name]), default=0)
    arrows = sum(len(targets) for targets in graph.values())
    sys.stdout.write(f"{len(graph)} rooms, {max(floor.values())} floors, {arrows} arrows between rooms\n")
    assert (max(floor.values()) <= MOST_FLOORS, arrows <= MOST_ARROWS) == (True, True)


def test_no_file_imports_itself_over_others() -> None:
    graph = {
        ".".join(module.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): set(imports(module)) for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"files in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_stay_strangers(name: str) -> None:
    assert rooms()[name] & STRANGERS[name] == set()


def test_the_ground_of_the_gateway_knows_nothing_of_what_stands_on_it() -> None:
    known = {name: {target for target in imports(SOURCE / "gateway" / f"{name}.py") if target.startswith("gateway.")} for name in GATEWAY}
    assert known == {name: set() for name in GATEWAY}


def test_files_that_begin_with_the_same_word_are_a_folder() -> None:
    found = Counter((str(module.parent.relative_to(SOURCE)), module.stem.partition("_")[0]) for module in MODULES if "_" in module.stem)
    assert {place: number for place, number in found.items() if number > MOST_OF_A_PREFIX} == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_source_file_fits_on_few_screens(module: Path) -> None:
    name = str(module.relative_to(SOURCE))
    lines = len(module.read_text(encoding="utf-8").splitlines())
    limit = 400 if name in LONG_FILES else 250
    assert lines <= limit, f"{name} has {lines} lines; it wants to be a room, or a reason in LONG_FILES"


def test_every_exception_for_a_long_file_is_still_needed() -> None:
    short = [name for name in LONG_FILES if len((SOURCE / name).read_text(encoding="utf-8").splitlines()) <= 250]
    assert short == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_function_fits_on_one_screen(module: Path) -> None:
    long = [
        f"{node.name}: {size}"
        for node in ast.walk(parse(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (size := body_lines(node)) > 40
    ]
    assert long == []


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    total = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        total -= (first.end_lineno or 0) - first.lineno + 1
    return total


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_decisions_are_nested_three_deep_at_most(module: Path) -> None:
    deep = [
        f"{node.name}: {found}"
        for node in ast.walk(parse(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (found := depth(node.body)) > 3
    ]
    assert deep == []


def depth(body: list[ast.stmt]) -> int:
    """The deepest nesting of branches, loops and ``try``; ``elif`` is no deeper than its ``if``, and ``with`` decides nothing."""
    return max((depth_of(statement) for statement in body), default=0)


def depth_of(statement: ast.stmt) -> int:
    match statement:
        case ast.If():
            chained = len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If)
            otherwise = depth_of(statement.orelse[0]) if chained else depth(statement.orelse) + 1
            return max(depth(statement.body) + 1, otherwise if statement.orelse else 0)
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + depth([*statement.body, *statement.orelse])
        case ast.Try() | ast.TryStar():
            handlers = [inner for handler in statement.handlers for inner in handler.body]
            return 1 + depth([*statement.body, *handlers, *statement.orelse, *statement.finalbody])
        case ast.Match():
            return 1 + depth([inner for case in statement.cases for inner in case.body])
        case ast.With() | ast.AsyncWith():
            return depth(statement.body)
    return 0  # nested functions are looked at on their own


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) == "policies"], ids=lambda path: path.stem)
def test_what_a_policy_counts_is_assigned_without_validators(module: Path) -> None:
    """Attrs runs those of a class at each assignment to any of its fields, which costs more than most policies do."""
    names = vars(importlib.import_module(f"sluicegate.policies.{module.stem}" if module.stem != "__init__" else "sluicegate.policies"))
    kinds = [kind for kind in names.values() if isinstance(kind, type) and attrs.has(kind)]
    assert [kind for kind in kinds if kind.__setattr__ is not object.__setattr__ and not _is_frozen(kind)] == []


def _is_frozen(kind: type[attrs.AttrsInstance]) -> bool:
    return kind.__setattr__ is _Frozen.__setattr__


@attrs.frozen
class _Frozen:
    """To know the others by."""


def test_test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "tests").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_files_and_classes_are_named_for_their_subject() -> None:
    files = [str(module.relative_to(SOURCE)) for module in MODULES if module.stem in BANNED_NAMES]
    classes = [
        f"{module.relative_to(SOURCE)}: {node.name}"
        for module in MODULES
        for node in ast.walk(parse(module))
        if isinstance(node, ast.ClassDef) and any(word in node.name for word in BANNED_WORDS)
    ]
    assert files + classes == []


def test_no_public_class_name_stands_twice() -> None:
    """Whoever reads a name in a traceback or a signature knows at once whose it is."""
    homes: dict[str, set[str]] = {}
    for module in MODULES:
        for node in parse(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(str(module.relative_to(SOURCE)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_file_name_means_two_things() -> None:
    homes = Counter(module.stem for module in MODULES if not module.stem.startswith("__"))
    assert {name for name, places in homes.items() if places > 1} == set(SAME_ON_BOTH_SIDES)


def test_only_the_command_line_starts_an_event_loop_or_listens_to_signals() -> None:
    """Everything else is a library inside someone's program; but a whole run in virtual time is what a test asks for."""
    offenders = [
        f"{module.relative_to(SOURCE)}:{node.lineno}"
        for module in MODULES
        if room(module) != "cli" and module != SOURCE / "testing" / "playing.py"
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("trio", "run"), ("anyio", "run"), ("asyncio", "run"), ("trio", "open_signal_receiver"), ("signal", "signal")}
    ]
    assert offenders == []


def test_one_file_knows_what_trio_keeps_to_itself_about_its_scheduler() -> None:
    """The same rule holds for tests: they ask `deterministic`."""
    files = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    words = re.compile(r"_core\._run|_ALLOW_DETERMINISTIC")
    found = {path for path in files if path != Path(__file__) and words.search(path.read_text(encoding="utf-8"))}
    assert found == {SOURCE / "testing" / "determinism.py"}


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert set() == loaded_after("import sluicegate") & set(HEAVY)


def test_importing_everything_the_package_offers_loads_no_heavy_library() -> None:
    assert set() == loaded_after("from sluicegate import *") & set(HEAVY)


def test_checking_a_configuration_loads_no_event_loop() -> None:
    code = """
from sluicegate.cli.main import main
try:
    main(["check", "-c", "conf/demo.toml"])
except SystemExit as end:
    assert not end.code, end.code
"""
    assert set() == loaded_after(code) & {*HEAVY, *EVENT_LOOP}


def test_serving_in_clear_text_loads_nothing_of_another_loop_and_no_mail() -> None:
    """Each of these takes 3 to 10 ms of every start: who needs them is a library, for something that a gateway does not do."""
    code = "from sluicegate.cli.memory import load_structlog; load_structlog(); import sluicegate.cli.serving, sluicegate.gateway.engine"
    assert set() == loaded_after(code) & {*HEAVY, "asyncio", "email", "rich"}
