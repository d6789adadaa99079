"""The pytest plugin as its users have it: in runs of their own, driven by pytest-trio and by anyio."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = ["-p", "sluicegate.testing.plugin"]
"""Where the package is installed, it is loaded anyway, and this changes nothing."""

DRIVERS = {
    "pytest-trio": """
import pytest
clock = pytest.fixture(lambda autojump_clock: autojump_clock)
driven = pytest.mark.trio
""",
    "anyio": """
import pytest, trio.testing
driven = pytest.mark.anyio

@pytest.fixture
def clock():
    return trio.testing.MockClock(autojump_threshold=0)

@pytest.fixture
def anyio_backend(clock):
    return "trio", {"clock": clock}
""",
}

USES = """
import trio
from sluicegate.testing.script import Delay, Hang, Rule

@driven
async def test_a_gateway(clock, gateway, scripted, seeded, no_leaks):
    backend = scripted(Delay(3.0), name="files")
    async with no_leaks():
        async with gateway(backend, more=scripted()) as running:
            before = trio.current_time()
            reply = await running.call_tool("files_echo", {"a": 1})
            assert b'echo' in bytes(reply.result) and trio.current_time() - before == 3
            assert (await running.call_tool("more_echo")).fault is None
    assert seeded.seed == 7 and seeded.chance("x").random() == seeded.chance("x").random()

@driven
async def test_faults(clock, gateway, scripted, faulty, seeded):
    faults = faulty(Rule(Hang(), numbers=[2]))
    assert faults.script.seed == seeded.seed
    async with gateway(scripted(name="b"), faults=faults) as running:
        assert (await running.call_tool("b_echo")).fault is None
        assert (await running.call_tool("b_echo")).fault.reason == "timeout"
    assert faults.injected == 1

@driven
async def test_the_order_of_tasks_is_the_seeds(clock, seeded):
    order = []
    async def run(name):
        order.append(name)
    async with trio.open_nursery() as nursery:
        for name in "abcdefghijklmnopqrstuvwxyz":
            nursery.start_soon(run, name)
    print("order:", "".join(order))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project, with this package where it is found."""
    import sluicegate

    monkeypatch.setenv("PYTHONPATH", str(Path(sluicegate.__file__).parents[1]))
    return pytester


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_fixture_works_whoever_drives_the_test(driver: str, project: pytest.Pytester) -> None:
    project.makepyfile(DRIVERS[driver] + USES)
    orders = []
    for _ in range(2):
        result = project.runpytest_subprocess(*PLUGIN, "-s", "-Werror", "--sluicegate-seed=7")
        result.assert_outcomes(passed=3)
        orders += re.findall("order: (.*)", result.stdout.str())
    assert len(orders) == 2
    assert orders[0] == orders[1] != "".join(sorted(orders[0]))


@pytest.mark.slow
def test_a_test_on_asyncio_is_told_what_to_do(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        async def test_it(gateway, scripted, anyio_backend):
            async with gateway(scripted()):
                pass
    """)
    result = project.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: a gateway runs on Trio, and this test does not: mark it with @pytest.mark.trio*"])


@pytest.mark.slow
def test_a_failing_test_tells_its_seed_and_the_command_that_plays_it_again(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import pytest

        @pytest.mark.parametrize("word", ["a word"])
        def test_luck(word, seeded):
            assert seeded.chance("luck").random() < 0.6
    """)
    result = project.runpytest_subprocess(*PLUGIN, "--sluicegate-seeds=20")
    told = re.findall(r"seed (\d+); to play it again: (.*)", result.stdout.str())
    assert 0 < len(told) < 20
    assert len(told) == result.parseoutcomes()["failed"]

    seed, command = told[0]
    _python, *arguments = shlex.split(command)
    again = subprocess.run([sys.executable, *arguments, *PLUGIN], cwd=project.path, capture_output=True, text=True, check=False)
    assert f"seed {seed}; to play it again: {command}" in again.stdout
    assert "1 failed" in again.stdout


@pytest.mark.slow
def test_options_choose_the_seeds(project: pytest.Pytester) -> None:
    project.makepyfile("""
        def test_seeds(seeded):
            print("seed:", seeded.seed)

        def test_others_run_once():
            pass
    """)
    result = project.runpytest_subprocess(*PLUGIN, "-s", "--sluicegate-seed=40", "--sluicegate-seeds=3")
    result.assert_outcomes(passed=4)
    assert re.findall(r"seed: (\d+)", result.stdout.str()) == ["40", "41", "42"]


@pytest.mark.slow
def test_what_a_test_leaves_behind_fails_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        DRIVERS["pytest-trio"]
        + """
import os
from sluicegate.testing import memory_pair

def test_a_pipe(no_leaks):
    os.pipe()

@driven
async def test_a_connection(no_leaks):
    memory_pair()

@driven
async def test_nothing(no_leaks):
    pass
"""
    )
    result = project.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(
        ["*left behind:*", "*file descriptor *: pipe:*", "*end of a connection in memory, opened by*test_a_connection*"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("asked_for", [[], PLUGIN])
def test_the_installed_plugin_and_the_one_on_the_command_line_are_one(
    asked_for: list[str], project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import tomllib

    table = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = project.mkdir("site") / "sluicegate-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: sluicegate\nVersion: 0.1.0\n")
    (installed / "entry_points.txt").write_text("[pytest11]\n" + "".join(f"{name} = {value}\n" for name, value in table.items()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed.parent), os.environ["PYTHONPATH"]]))
    project.makepyfile("def test_it(seeded): pass")
    project.runpytest_subprocess(*asked_for).assert_outcomes(passed=1)


def test_loading_the_plugin_loads_nothing_else() -> None:
    """Whoever has the package installed, and does not use it, pays for a few files."""
    code = "import pytest, sys; before = set(sys.modules); import sluicegate.testing.plugin; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {"sluicegate", "sluicegate.testing", "sluicegate.testing.plugin"} == {
        name for name in done.stdout.split() if name.partition(".")[0] in ("sluicegate", "trio", "attrs", "structlog", "msgspec")
    }
