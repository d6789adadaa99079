"""The manual in the command."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from sluicegate.cli.help import _found, _lines
from sluicegate.cli.main import COMMANDS
from sluicegate.cli.topics import ORDER, Section, Topic, readable, topics

Command = Callable[..., tuple[int, str, str]]


def test_without_a_topic_it_lists_all_of_them_in_their_order_with_a_line_each(sluicegate: Command) -> None:
    code, out, err = sluicegate("help")

    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    assert [line.split(maxsplit=1) for line in lines] == [[name, topics()[name].purpose] for name in ORDER]
    [column] = {line.index(topics()[name].purpose) for name, line in zip(ORDER, lines, strict=True)}
    assert column == len("  ") + max(map(len, ORDER)) + len("  ")
    assert f"{', '.join(COMMANDS)}.\n" in out


@pytest.mark.parametrize("name", ORDER)
def test_a_topic_is_shown_without_the_marks_of_its_format(name: str, sluicegate: Command) -> None:
    code, out, err = sluicegate("help", name)

    assert (code, err) == (0, "")
    assert out.startswith(topics()[name].text.splitlines()[0])
    assert ".. code-block::" not in out
    assert "\x1b" not in out
    assert out == f"{click.unstyle(readable(topics()[name].text))}\n"


def test_a_topic_may_be_written_in_capitals(sluicegate: Command) -> None:
    assert sluicegate("help", "POLICIES") == sluicegate("help", "policies")


@pytest.mark.parametrize("words", [("run",), ("show", "pipeline"), ("help",)])
def test_a_command_gets_what_it_says_about_itself(words: tuple[str, ...], sluicegate: Command) -> None:
    code, out, err = sluicegate("help", *words)

    assert (code, err) == (0, "")
    assert out == sluicegate(*words, "--help")[1]


def test_an_unknown_topic_gets_the_nearest(sluicegate: Command) -> None:
    code, out, err = sluicegate("help", "polices")

    assert (code, out) == (2, "")
    assert "there is no topic or command 'polices'; did you mean 'policies'?" in err


def test_a_word_that_is_no_topic_is_looked_for_in_all_of_them(sluicegate: Command) -> None:
    code, out, err = sluicegate("help", "SG-601")

    assert (code, out) == (2, "")
    assert "'sluicegate help --search SG-601' finds it in errors" in err


def test_what_is_nowhere_at_all_says_where_the_topics_are(sluicegate: Command) -> None:
    code, _, err = sluicegate("help", "xyzzy")

    assert code == 2
    assert "there is no topic or command 'xyzzy'; 'sluicegate help' alone lists them all" in err
    assert "there is no topic or command 'run fast'" in sluicegate("help", "run", "fast")[2]


def test_a_search_shows_the_sections_that_have_all_words_and_the_lines_with_them(sluicegate: Command) -> None:
    code, out, err = sluicegate("help", "--search", "unix_mode")

    assert (code, err) == (0, "")
    heading, *lines = out.rstrip().splitlines()
    assert heading == f"listening: {topics()['listening'].purpose}"
    assert len(lines) == 1
    assert "unix_mode says who may" in lines[0]


def test_a_search_takes_no_notice_of_case_and_finds_what_goes_on_in_the_next_line(sluicegate: Command) -> None:
    code, out, _ = sluicegate("help", "--search", "PROMETHEUS", "scraper")
    assert (code, out.splitlines()[0]) == (0, f"metrics: {topics()['metrics'].purpose}")

    line = next(line for line in topics()["names"].text.splitlines() if line.endswith("Some clients refuse"))
    assert sluicegate("help", "--search", f"{line.split()[-1]} every tool")[1].startswith("names: ")


def test_a_section_whose_heading_has_the_word_comes_first(sluicegate: Command) -> None:
    out = sluicegate("help", "--search", "alias")[1]
    assert out.startswith("names: Filters and aliases\n")


def test_a_word_that_stands_in_headings_alone_is_found(sluicegate: Command) -> None:
    """Every word of every heading, so that no page can have one that search stumbles over."""
    headings = {
        word.strip(":,.()`").casefold() for topic in topics().values() for section in topic.sections() for word in section.heading.split()
    }

    assert {word for word in headings - {""} if sluicegate("help", "--search", word)[0] != 0} == set()


def test_a_search_without_a_find_fails(sluicegate: Command) -> None:
    assert sluicegate("help", "--search", "xyzzy") == (1, "", "Error: no topic has 'xyzzy'; 'sluicegate help' lists the topics\n")
    assert sluicegate("help", "--search", "unix_mode", "xyzzy")[2].startswith("Error: no topic has 'unix_mode' and 'xyzzy'; ")


def test_a_topic_with_more_words_behind_it_is_none(sluicegate: Command) -> None:
    code, out, err = sluicegate("help", "policies", "breaker")
    assert (code, out) == (2, "")
    assert "there is no topic or command 'policies breaker'" in err


def test_each_word_of_a_search_may_be_in_another_line_and_only_a_heading_with_all_of_them_comes_first(sluicegate: Command) -> None:
    lines = sluicegate("help", "--search", "aliases", "filters")[1].splitlines()
    assert lines[0] == "names: Filters and aliases"
    assert any("alias" in line for line in lines[1:])


@pytest.mark.parametrize(("word", "shown", "more"), [("1", 1, 0), ("3", 3, 0), ("4", 3, 1), ("9", 3, 6)])
def test_a_section_with_many_lines_shows_some_of_them_and_says_how_many_more_there_are(
    word: str, shown: int, more: int, tmp_path: Path
) -> None:
    section = Section(Topic("page", tmp_path), "Heading", tuple(f"a {word} b" for _ in range(int(word))))
    assert _lines(section, [word]) == [f"    a {word} b"] * shown + [f"    … and {more} more"] * bool(more)


def test_a_shell_completes_topics_and_commands(sluicegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SLUICEGATE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "sluicegate help co")
    monkeypatch.setenv("COMP_CWORD", "2")
    out = sluicegate()[1]
    assert out.split() == [f"plain,{name}" for name in ("connecting", "configuration", "contributing", "connect", "completion")]


def test_the_help_of_all_commands_tells_of_the_manual(sluicegate: Command) -> None:
    assert "'sluicegate help' lists the topics of the manual" in " ".join(sluicegate("--help")[1].split())


def test_headings_and_marks_are_bold_and_nothing_else_is() -> None:
    bold = {word: click.style(word, bold=True) for word in ("Title", "code", "word")}
    page = "\n\nTitle\n=====\n\n\nsome ``code`` and a **word** here\n\n   ``code`` further in\n"
    assert readable(page) == f"{bold['Title']}\n=====\n\nsome {bold['code']} and a {bold['word']} here\n\n   {bold['code']} further in"


def test_what_a_search_finds_has_its_place_in_bold() -> None:
    (found,) = _found(["unix_mode"])
    assert found.startswith(f"{click.style('listening: ' + topics()['listening'].purpose, bold=True)}\n")


@pytest.mark.parametrize(("own", "then"), [(None, "FRX"), ("S", "S")])
def test_the_pager_lets_go_of_what_fits_on_the_screen_unless_the_reader_has_settings_of_his_own(
    own: str | None, then: str, sluicegate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESS", own or "")
    if own is None:
        monkeypatch.delenv("LESS")
    assert sluicegate("help", "log")[0] == 0
    assert os.environ["LESS"] == then


def test_columns_of_a_table_stay_where_they_are() -> None:
    page = "======  ====\n``a``   ``b`` and ``c``\nplain   d\n======  ====\n"
    assert click.unstyle(readable(page)) == "======  ====\na       b and c\nplain   d\n======  ===="


def test_code_is_shown_as_it_is() -> None:
    assert click.unstyle(readable("like this::\n\n    ``a`` ** b\n\n::\n\n    c\n\nand **d**\n")) == (
        "like this:\n\n    ``a`` ** b\n\n    c\n\nand d"
    )


@pytest.mark.slow
def test_a_terminal_gets_a_pager_and_a_pipe_plain_text(tmp_path: Path) -> None:
    """The pager is a program that says that it was asked."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "PAGED with $LESS"\ncat\n')
    pager.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "LESS"} | {"PAGER": str(pager), "TERM": "xterm"}
    command = [sys.executable, "-m", "sluicegate", "help", "log"]

    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while chunk := read(ours):
            shown += chunk
        assert process.wait(timeout=60) == 0
    os.close(ours)
    piped = subprocess.run(command, capture_output=True, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=60)

    assert shown.startswith(b"PAGED with FRX\r\n")
    assert b"PAGED" not in piped.stdout
    assert piped.stdout.startswith(b"Log: ")


def read(descriptor: int) -> bytes:
    """What the terminal shows next; nothing when its last program is gone."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
