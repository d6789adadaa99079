"""The pytest plugin: whoever has this package installed has these fixtures.

They are plain functions that return values and context managers, so that whatever drives async tests can drive them: pytest-trio, or anyio's
plugin on its Trio backend. Nothing of the package, and not Trio, is loaded before a test asks for one of them.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .backend import ScriptedBackend
    from .fixtures import OpenGateway, Seeded
    from .injections.injector import Injections
    from .injections.kinds import Injection
    from .leaks import no_leaks as NoLeaks  # noqa: N812  a class that is named like the function it stands for
    from .script import Rule

__all__ = ["faulty", "gateway", "no_leaks", "scripted", "seeded"]

FIRST_SEED = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options of our own."""
    group = parser.getgroup("sluicegate", "sluicegate: an MCP gateway under test")
    group.addoption("--sluicegate-seed", type=int, metavar="N", default=FIRST_SEED, help="run tests that use `seeded` with this seed")
    group.addoption("--sluicegate-seeds", type=_count, metavar="N", default=1, help="… and with the next ones, so many in all")


def _count(text: str) -> int:
    """So many seeds; with none a test would be skipped, which looks like a success."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not '{text}'")
    return int(text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `seeded` once for each seed."""
    if "seeded" in metafunc.fixturenames:
        first: int = metafunc.config.getoption("sluicegate_seed")
        seeds = range(first, first + metafunc.config.getoption("sluicegate_seeds"))
        metafunc.parametrize("seeded", seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a failing test how it is run again."""
    report = yield
    params = getattr(getattr(item, "callspec", None), "params", {})
    if report.failed and "seeded" in params:
        seed = params["seeded"]
        command = shlex.join(
            ["python" if sys.platform == "win32" else "python3", "-m", "pytest", _place(item), f"--sluicegate-seed={seed}"]
        )
        report.sections.append(("sluicegate", f"seed {seed}; to play it again: {command}"))
    return report


def _place(item: pytest.Item) -> str:
    """The test, as it is called from the folder in which pytest was started; its id begins at the root of the project."""
    path, *inside = item.nodeid.split("::")
    return "::".join([os.path.relpath(item.config.rootpath / path, item.config.invocation_params.dir), *inside])


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> Iterator[Seeded]:
    """A seed from ``--sluicegate-seed``; the order of Trio's tasks, and all that the other fixtures draw, follow from it."""
    from .determinism import deterministic
    from .fixtures import Seeded

    seed: int = getattr(request, "param", request.config.getoption("sluicegate_seed"))  # without, where a test asks for it while it runs
    with deterministic(seed):
        yield Seeded(seed)


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> OpenGateway:
    """Opens gateways; see `sluicegate.testing.OpenGateway`.

    ``async with gateway(scripted(Delay(1), name="files"), mine=server) as running:``
    """
    from .fixtures import OpenGateway

    return OpenGateway(_seed(request))


@pytest.fixture
def scripted() -> type[ScriptedBackend]:
    """Make scripted backends: ``scripted(Delay(1), name="files")``."""
    from .backend import ScriptedBackend

    return ScriptedBackend


@pytest.fixture
def faulty(request: pytest.FixtureRequest) -> Callable[..., Injections]:
    """Make what goes wrong, for ``gateway(…, faults=faulty(Rule(Hang(), every=3)))``; its draws follow from the seed."""
    from .injections.injector import Injections
    from .script import Script

    def make(*rules: Rule | Injection) -> Injections:
        return Injections(Script(rules, _seed(request)))

    return make


@pytest.fixture
def no_leaks() -> Iterator[type[NoLeaks]]:
    """Fail the test if it leaves file descriptors, child processes or connections behind.

    Tasks end with the event loop, whoever started them; ``async with no_leaks():`` around a part of the test looks for them there.
    """
    from .leaks import no_leaks as around

    with around():
        yield around


def _seed(request: pytest.FixtureRequest) -> int:
    if "seeded" in request.fixturenames:
        drawn: Seeded = request.getfixturevalue("seeded")
        return drawn.seed
    return FIRST_SEED
