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
