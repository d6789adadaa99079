"""The pytest plugin, where its user is somewhere else or mistypes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = ["-p", "sluicegate.testing.plugin"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project, with this package where it is found."""
    import sluicegate

    monkeypatch.setenv("PYTHONPATH", str(Path(sluicegate.__file__).parents[1]))
    return pytester


@pytest.mark.slow
def test_the_command_that_plays_it_again_works_where_pytest_was_started(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makeini("[pytest]\n")
    below = project.mkdir("deep")
    (below / "test_luck.py").write_text("def test_luck(seeded):\n    assert seeded.seed != 3\n")
    monkeypatch.chdir(below)
    result = project.runpytest_subprocess(*PLUGIN, "--sluicegate-seeds=4")
    [command] = re.findall("seed 3; to play it again: (.*)", result.stdout.str())
    _python, *arguments = shlex.split(command)
    again = subprocess.run([sys.executable, *arguments, *PLUGIN], cwd=below, capture_output=True, text=True, check=False)
    assert "1 failed" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("count", ["0", "-3", "many"])
def test_no_seed_at_all_is_a_mistake_and_no_success(count: str, project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(seeded): pass")
    result = project.runpytest_subprocess(*PLUGIN, f"--sluicegate-seeds={count}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--sluicegate-seeds: must be an integer of at least 1, not '{count}'*"])


@pytest.mark.slow
def test_a_seed_that_is_asked_for_while_the_test_runs_is_the_first(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(request): assert request.getfixturevalue('seeded').seed == 7")
    project.runpytest_subprocess(*PLUGIN, "--sluicegate-seed=7").assert_outcomes(passed=1)
