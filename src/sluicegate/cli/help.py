"""``sluicegate help``: the manual, a topic at a time, and what the commands say about themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import click
from click.shell_completion import CompletionItem

from ..config.nearest import nearest
from .topics import Section, matches, readable, topics

__all__ = ["command"]

_LINES_SHOWN = 3
"""Of a section that a search has found; who wants more reads the topic."""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The topics and the commands."""
    del param
    names = {name: topic.purpose for name, topic in topics().items()} | dict.fromkeys(_commands(ctx), "what the command takes")
    return [CompletionItem(name, help=purpose) for name, purpose in names.items() if name.startswith(incomplete)]


@click.command("help", short_help="Read the manual, by topic or command.")
@click.argument("words", nargs=-1, metavar="[TOPIC | COMMAND]", shell_complete=_complete)
@click.option("--search", metavar="WORD", help="Show where the manual has this word, or all of several.")
@click.pass_context
def command(ctx: click.Context, words: Sequence[str], search: str | None) -> None:
    """Show a topic of the manual, or what a command takes; without either, list the topics.

    What is shown goes through the program that the variable PAGER names, or less, where it goes to a terminal.
    """
    os.environ.setdefault("LESS", "FRX")  # what fits on the screen needs no key to leave, as with git
    if search is not None:
        text = "\n\n".join(_found([search, *words]))
    elif words:
        text = _page(ctx, words)
    else:
        text = "\n".join(_contents(ctx))
    click.echo_via_pager(text)


def _contents(ctx: click.Context) -> Iterator[str]:
    known = topics()
    width = max(map(len, known))
    yield "Topics, each to be read by itself with 'sluicegate help TOPIC':\n"
    yield from (f"  {name:{width}}  {topic.purpose}" for name, topic in known.items())
    yield "\n'sluicegate help COMMAND' tells what a command takes; there are"
    yield f"{', '.join(_commands(ctx))}."
    yield "'sluicegate help --search WORD' finds a word in all topics."


def _commands(ctx: click.Context) -> list[str]:
    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    return root.list_commands(ctx)


def _page(ctx: click.Context, words: Sequence[str]) -> str:
    """The topic of that name, or the help of the command; raises what tells the nearest one."""
    known = topics()
    if len(words) == 1 and (topic := known.get(words[0].lower())) is not None:
        return readable(topic.text)
    inner = ctx.find_root()
    for word in words:
        found = inner.command.get_command(inner, word) if isinstance(inner.command, click.Group) else None
        if found is None:
            raise click.BadParameter(f"there is no topic or command '{' '.join(words)}'; {_instead(ctx, words)}", param_hint="TOPIC")
        inner = click.Context(found, parent=inner, info_name=word)
    return inner.get_help()


def _instead(ctx: click.Context, words: Sequence[str]) -> str:
    close = nearest(words[0], [*topics(), *_commands(ctx)])
    if close is not None:
        return f"did you mean '{close}'?"
    wanted = " ".join(words)
    places = list(dict.fromkeys(section.topic.name for section in matches([wanted])))
    if places:
        return f"'sluicegate help --search {wanted}' finds it in {', '.join(places)}"
    return "'sluicegate help' alone lists them all"


def _found(words: Sequence[str]) -> Iterator[str]:
    """The sections that have all the words, with the lines where these stand."""
    sections = list(matches(words))
    if not sections:
        raise click.ClickException(f"no topic has {' and '.join(repr(word) for word in words)}; 'sluicegate help' lists the topics")
    for section in sections:
        yield "\n".join([click.style(f"{section.topic.name}: {_heading(section)}", bold=True), *_lines(section, words)])


def _heading(section: Section) -> str:
    return section.heading.partition(": ")[2] if section.heading.startswith(section.topic.name.capitalize()) else section.heading


def _lines(section: Section, words: Sequence[str]) -> list[str]:
    folded = [word.casefold() for word in " ".join(words).split()]
    lines = [line for line in section.lines if any(word in line.casefold() for word in folded)]
    shown = [f"    {line.strip()}" for line in readable("\n".join(lines[:_LINES_SHOWN])).splitlines()]
    return [*shown, f"    … and {len(lines) - _LINES_SHOWN} more"] if len(lines) > _LINES_SHOWN else shown
