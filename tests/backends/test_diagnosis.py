"""What the operator is told about a child that did not start, or ended."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sluicegate.backends.diagnosis import how_it_ended, printable, why_not_started
from sluicegate.outside import ProcessSpec
from sluicegate.protocol.why import Why


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_a_missing_command_tells_the_path_searched() -> None:
    spec = ProcessSpec("no-such-thing", env={"PATH": "/one:/two"})

    assert why_not_started(spec, failed(errno.ENOENT)) == "command 'no-such-thing' was not found; PATH searched: /one:/two"


def test_an_empty_path_is_called_empty() -> None:
    assert why_not_started(ProcessSpec("x"), failed(errno.ENOENT)).endswith("PATH searched: (empty)")


def test_a_missing_file_tells_where_it_was_looked_for(tmp_path: Path) -> None:
    spec = ProcessSpec("./server", cwd=str(tmp_path))

    assert f"command './server' does not exist (looked for from '{tmp_path}')" == why_not_started(spec, failed(errno.ENOENT))


def test_a_missing_working_directory_is_named_rather_than_the_command(tmp_path: Path) -> None:
    spec = ProcessSpec("ls", cwd=str(tmp_path / "gone"))

    assert f"working directory '{tmp_path / 'gone'}' does not exist" == why_not_started(spec, failed(errno.ENOENT))


def test_a_working_directory_that_is_a_file_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "is no directory" in why_not_started(ProcessSpec("ls", cwd=str(tmp_path / "file")), failed(errno.ENOTDIR))


def test_a_script_without_its_interpreter_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "server").touch(0o755)
    spec = ProcessSpec("server", env={"PATH": str(tmp_path)})

    assert f"command '{tmp_path / 'server'}' is there, but the interpreter named in its first line is not" == why_not_started(
        spec, failed(errno.ENOENT)
    )


def test_a_file_that_may_not_be_executed_is_called_so(tmp_path: Path) -> None:
    spec = ProcessSpec(str(tmp_path / "server"))

    assert f"command '{tmp_path / 'server'}' may not be executed: Permission denied" == why_not_started(spec, failed(errno.EACCES))


def test_who_has_better_words_than_the_system_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "server").touch(0o755)
    error = FileNotFoundError(errno.ENOENT, "it is none of the programs in memory", "server")

    said = why_not_started(ProcessSpec("server", env={"PATH": str(tmp_path)}), error)

    assert said == "command 'server' cannot be started: it is none of the programs in memory"


def test_any_other_error_is_passed_on() -> None:
    assert why_not_started(ProcessSpec("x"), failed(errno.E2BIG)) == "command 'x' cannot be started: Argument list too long"


@pytest.mark.parametrize(
    ("returncode", "said"),
    [(0, "exited with status 0"), (3, "exited with status 3"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99"), (None, "it left")],
)
def test_the_end_of_a_child_has_a_name(returncode: int | None, said: str) -> None:
    assert how_it_ended(returncode, "it left", []) == Why(said)


def test_the_last_words_follow_the_end_for_the_operator() -> None:
    assert how_it_ended(1, "", ["a", "b"]) == Why("exited with status 1", "exited with status 1; its stderr ended with:\n  a\n  b")


def test_stderr_is_shown_without_colours_and_control_characters() -> None:
    assert printable(b"\x1b[1;33mwarning\x1b[0m: d\xc3\xa9j\xc3\xa0\x07 \xff  \r") == "warning: déjà \ufffd"


def test_a_long_line_of_stderr_is_cut() -> None:
    assert printable(b"x" * 501) == "x" * 500 + "…"
