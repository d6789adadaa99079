"""The configurations that come with the gateway, and what a wheel holds beside the source."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.checkout import CONF

from sluicegate.cli.example import examples
from sluicegate.cli.topics import topics

Command = Callable[..., tuple[int, str, str]]


def test_all_of_them_are_listed_with_what_each_is_for(sluicegate: Command) -> None:
    code, out, err = sluicegate("example")

    assert (code, err) == (0, "")
    assert {path.stem for path in CONF.glob("*.toml")} == {line.split()[0] for line in out.splitlines()}
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in out.splitlines()}) == 1
    assert "minimal    The least that runs: one MCP server behind http://127.0.0.1:8080/mcp.\n" in out
    assert "faults     Bad weather for any server: a plan, and no configuration.\n" in out


@pytest.mark.parametrize("name", ["demo", "faults", "minimal", "reference", "resilient"])
def test_one_is_printed_as_it_is(name: str, sluicegate: Command) -> None:
    assert sluicegate("example", name) == (0, (CONF / f"{name}.toml").read_text(encoding="utf-8"), "")


def test_an_unknown_one_gets_the_nearest(sluicegate: Command) -> None:
    code, out, err = sluicegate("example", "reference.toml")

    assert (code, out) == (2, "")
    assert "there is no example 'reference.toml'; did you mean 'reference'?" in err


def test_what_was_printed_is_a_configuration(sluicegate: Command, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text(sluicegate("example", "demo")[1], encoding="utf-8")

    assert sluicegate("check", "-c", "gate.toml")[0] == 0


def test_the_schema_is_printed_as_it_stands_beside_them(sluicegate: Command) -> None:
    """So that a printed configuration finds it in its own folder."""
    assert sluicegate("schema") == (0, (CONF / "sluicegate.schema.json").read_text(encoding="utf-8"), "")


def test_a_checkout_has_one_place_for_them() -> None:
    assert {path.parent for path in examples().values()} == {CONF}


@pytest.mark.slow
def test_an_installed_wheel_has_them_too_and_the_manual(tmp_path: Path) -> None:
    """Unpacked as pip does it, and run from a folder that is no checkout."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
        "--wheel-dir",
        str(tmp_path),
        str(CONF.parent),
    ]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    place = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(place)], check=True, timeout=60)
    program = f"import sys; sys.path.insert(0, {str(place)!r}); from sluicegate.cli.main import main; main(['example', 'demo'])"

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)

    assert (CONF / "demo.toml").read_text(encoding="utf-8") == done.stdout
    assert {path.name for path in CONF.iterdir() if path.is_file()} == {path.name for path in (place / "sluicegate" / "examples").iterdir()}
    for topic in topics().values():
        shipped = place / topic.path.relative_to(CONF.parent / "src")
        assert shipped.read_text(encoding="utf-8") == topic.text
