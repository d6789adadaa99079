"""README.rst and the topics of ``sluicegate help``: short enough, whole, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from tests.kit.checkout import ROOT

from sluicegate.cli.main import cli
from sluicegate.cli.topics import ORDER, topics

README = ROOT / "README.rst"
MANUAL = ROOT / "src" / "sluicegate" / "help"
PAGES = [README, *sorted(MANUAL.glob("*.rst"))]


def commands() -> dict[str, click.Command]:
    """All commands by name."""
    context = click.Context(cli)
    return {name: command for name in cli.list_commands(context) if (command := cli.get_command(context, name)) is not None}


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_line_fits_on_a_screen(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [f"{page.name}:{number}" for number, line in enumerate(lines, 1) if len(line) > 110] == []


def test_every_page_of_the_manual_is_a_topic_and_has_its_place_in_the_order() -> None:
    assert {path.stem for path in MANUAL.glob("*.rst")} == {name for name, topic in topics().items() if topic.path.parent == MANUAL}
    assert len(ORDER) == len(set(ORDER))
    assert [name for name, topic in topics().items() if not topic.path.is_file()] == []


@pytest.mark.parametrize("name", ORDER)
def test_a_title_is_the_topic_s_name_and_what_it_is_about(name: str) -> None:
    title, underline = topics()[name].text.splitlines()[:2]
    assert title == f"{name.capitalize()}: {topics()[name].purpose}"
    assert underline == "=" * len(title)
    assert len(title) <= 80


def test_no_topic_is_called_like_a_command() -> None:
    """Else ``sluicegate help NAME`` would have two answers."""
    assert commands().keys() & topics().keys() == set()


def test_the_readme_leads_to_every_topic_with_the_words_of_its_title() -> None:
    links = re.findall(r"^\* `(\w+) <(\S+)>`_: (.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert links == [(name, str(topic.path.relative_to(ROOT)), topic.purpose) for name, topic in topics().items()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_topic_command_and_file_that_a_page_names_is_there(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    named = set(re.findall(r"sluicegate help ([a-z]\w*)", text))
    assert named - topics().keys() - commands().keys() == set()
    assert set(re.findall(r"(?:``|\$ )sluicegate ([a-z]\w*)", text)) - commands().keys() == set()
    if page.stem == "changes":
        return  # which tells of how things were
    files = set(re.findall(r"``((?:src|tests|scripts|conf)/[\w./]+)", text))
    assert {file for file in files if not (ROOT / file).exists()} == set()


def test_who_wants_to_contribute_is_told_of_every_room() -> None:
    rooms = {path.name for path in (ROOT / "src" / "sluicegate").iterdir() if path.is_dir() and path.name != "__pycache__"}
    told = set(re.findall(r"^``(\w+)``  ", (MANUAL / "contributing.rst").read_text(encoding="utf-8"), re.MULTILINE))
    assert told == rooms


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_that_a_page_names_is_one_of_a_command(page: Path) -> None:
    if page.stem in {"changes", "measuring", "contributing"}:
        return  # options of scripts
    known = {option for command in commands().values() for one in whole(command) for param in one.params for option in param.opts}
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^   .*\n", "", text, flags=re.MULTILINE)
    named = set(re.findall(r"``(--[a-z-]+)", prose))
    assert named - known - {"--help", "--version", "--once", "--sluicegate-seed", "--sluicegate-seeds"} == set()


def whole(command: click.Command) -> list[click.Command]:
    """A command and those below it."""
    return [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
