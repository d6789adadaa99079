from __future__ import annotations

import io

import pytest
from rich.console import Console

from sluicegate.cli.tables import print_table

HEADS = ("TOOL", "DESCRIPTION")
ROWS = [("a[bold]", "x\ty\nz"), ("b", "w" * 300)]


def test_a_program_gets_whole_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HEADS, ROWS)
    assert capsys.readouterr().out == f"a[bold]\tx y z\nb\t{'w' * 300}\n"


def test_a_person_gets_heads_and_all_of_a_long_cell_and_markup_is_text() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None)
    print_table(HEADS, ROWS, console=console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "TOOL" in text
    assert "a[bold]" in text
    assert text.count("w") == 300


LOOK = [
    ("time", "stdio", "2 tools"),
    ("far-away", "http", "Connect failed: the command 'no-such-program' was not found; PATH is /usr/bin:/usr/local/bin:/opt/bin"),
]


def shown(width: int) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    print_table(("BACKEND", "TRANSPORT", "OFFERS"), LOOK, console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_long_cell_goes_on_under_its_own_beginning_and_no_word_is_cut() -> None:
    assert shown(64) == [
        "BACKEND   TRANSPORT  OFFERS",
        "time      stdio      2 tools",
        "far-away  http       Connect failed: the command",
        "                     'no-such-program' was not found; PATH is",
        "                     /usr/bin:/usr/local/bin:/opt/bin",
    ]
    assert len(shown(400)) == 3


def test_in_a_narrow_terminal_it_has_lines_of_its_own() -> None:
    assert shown(40) == [
        "BACKEND   TRANSPORT  OFFERS",
        "time      stdio      2 tools",
        "far-away  http",
        "    Connect failed: the command",
        "    'no-such-program' was not found;",
        "    PATH is",
        "    /usr/bin:/usr/local/bin:/opt/bin",
    ]


def test_others_words_cannot_move_the_cursor() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    print_table(("A", "B"), [("x\x1b[2J", "日本")], console=console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[1] == "x\ufffd[2J  日本"


@pytest.mark.parametrize(("width", "is_beside"), [(51, True), (50, False)])
def test_the_last_cell_stands_beside_the_others_as_long_as_it_is_not_narrow(width: int, is_beside: bool) -> None:
    """Thirty columns are left for it, or fewer; the others take 21."""
    lines = shown(width)
    assert lines[2].startswith("far-away  http")
    assert ("Connect" in lines[2]) is is_beside
    assert " ".join(" ".join(lines).split()).endswith("PATH is /usr/bin:/usr/local/bin:/opt/bin")


@pytest.mark.parametrize(("width", "is_beside"), [(12, True), (11, False)])
def test_a_last_cell_that_fits_stands_beside_the_others_however_narrow_it_is(width: int, is_beside: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    print_table(("NAME", "WHAT"), [("one", "tools!")], console=console)
    assert isinstance(console.file, io.StringIO)
    assert ("one   tools!" in console.file.getvalue()) is is_beside


def test_letters_that_are_wide_are_counted_as_two_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    print_table(("A", "B"), [("\u65e5\u672c", "x"), ("abcd", "y")], console=console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == ["A     B", "\u65e5\u672c  x", "abcd  y"]


@pytest.mark.parametrize(("width", "is_beside"), [(78, False), (79, True), (80, True)])
def test_in_a_wide_terminal_a_long_cell_has_at_least_half_of_it_beside_the_others(width: int, is_beside: bool) -> None:
    """The other cell takes 40 columns with what follows it."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    print_table(("NAME", "WHAT"), [("n" * 38, "well-known words of all kinds " * 4)], console=console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert (lines[1] != "n" * 38) is is_beside
    assert {len(line) - len(line.lstrip()) for line in lines[2:]} == {40 if is_beside else 4}
    assert max(map(len, lines)) <= width
    assert not any(line.endswith("well-") for line in lines)


def test_an_empty_last_cell_leaves_the_others_on_their_line() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    print_table(("A", "B"), [("a", ""), ("b", "x")], console=console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == ["A  B", "a", "b  x"]
