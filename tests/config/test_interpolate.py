"""``${…}`` in texts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluicegate.config.interpolate import Interpolation, escape

ENVIRON = {"HOME_TOWN": "Ulm", "EMPTY": "", "NESTED": "${HOME_TOWN}"}


def resolver(folder: Path, *, clients_file: bool = False) -> Interpolation:
    return Interpolation("f", {"a": 7}, ENVIRON, folder, clients_file=clients_file)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain $HOME $5 $$ {x}", "plain $HOME $5 $$ {x}"),
        ("${HOME_TOWN}", "Ulm"),
        ("in ${HOME_TOWN}, ${HOME_TOWN}!", "in Ulm, Ulm!"),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-b}", "a:-b"),
        ("$${HOME_TOWN}", "${HOME_TOWN}"),
        ("${NESTED}", "${HOME_TOWN}"),
        ("${file:-x}", "x"),
    ],
)
def test_a_reference_is_replaced_where_it_stands(text: str, result: str, tmp_path: Path) -> None:
    interpolation = resolver(tmp_path)

    assert {"a": [result]} == interpolation.resolve({"a": [text]})
    assert interpolation.problems == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("${UNSET}", "the environment variable 'UNSET' is not set"),
        ("x${", "'${' is never closed"),
        ("${A B}", "no reference"),
        ("${}", "no reference"),
        ("${env:HOME_TOWN}", "no reference"),
        ("${file:missing}", "cannot be read: No such file or directory"),
        ("${file:.}", "cannot be read: Is a directory"),
        ("${file:bad}", "no UTF-8"),
        ("${file:big}", "over 1 MiB"),
    ],
)
def test_what_cannot_be_resolved_is_a_problem_with_its_key(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\xff")
    (tmp_path / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    interpolation = resolver(tmp_path)

    interpolation.resolve({"a": ["fine", text]})

    (problem,) = interpolation.problems
    assert what in problem.what
    assert (problem.path, problem.line) == ("a[1]", 7)
    assert problem.instead


def test_a_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\ntwo\r\n", newline="")

    assert resolver(tmp_path).resolve("<${file:token}>") == "<one\ntwo>"
    assert resolver(Path("/")).resolve(f"${{file:{tmp_path}/token}}") == "one\ntwo"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (" \t pad \t ", " \t pad \t "),
        ("pad \n", "pad "),
        ("\n\npad\n\n", "\n\npad\n"),
        ("pad\r\n\r\n", "pad\r\n"),
        ("\n", ""),
        ("pad\r", "pad"),
        ("", ""),
    ],
)
def test_nothing_of_a_file_but_one_newline_at_its_end_is_left_out(content: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(content, newline="")

    assert value == resolver(tmp_path).resolve("${file:token}")


def test_a_clients_file_may_name_the_kind_and_the_folders(tmp_path: Path) -> None:
    folder = tmp_path / ".vscode"
    interpolation = resolver(folder, clients_file=True)

    assert interpolation.resolve("${env:HOME_TOWN} ${env:NOPE:-x}") == "Ulm x"
    assert f"{tmp_path}/src" == interpolation.resolve("${workspaceFolder}/src")
    assert str(Path.home()) == interpolation.resolve("${userHome}")
    assert f"{tmp_path.name}{os.sep}x" == interpolation.resolve("${workspaceFolderBasename}${/}x")
    assert os.sep == interpolation.resolve("${pathSeparator}")
    assert interpolation.problems == []


def test_where_nobody_has_a_home_the_rest_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user of a container that no file names."""
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    monkeypatch.delenv("HOME")

    assert resolver(tmp_path, clients_file=True).resolve("${HOME_TOWN}") == "Ulm"


def test_what_an_editor_would_ask_for_is_a_problem(tmp_path: Path) -> None:
    interpolation = resolver(tmp_path, clients_file=True)

    interpolation.resolve("${input:key}")

    assert "asks a person" in interpolation.problems[0].what
    assert "${env:NAME}" in interpolation.problems[0].instead


def test_a_default_is_never_shown(tmp_path: Path) -> None:
    interpolation = resolver(tmp_path)

    interpolation.resolve("${no name:-CANARY}")

    assert "no name" in interpolation.problems[0].what
    assert "CANARY" not in str(interpolation.problems[0])


@pytest.mark.parametrize("text", ["${A}", "$${A}", "$$${A}", "a$b$$c", "${", "$"])
def test_an_escaped_text_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    assert text == resolver(tmp_path).resolve(escape(text))
