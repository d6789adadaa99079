from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from sluicegate.cli import main as module
from sluicegate.cli.main import COMMANDS
from sluicegate.config.problem import ConfigError, Problem

Command = Callable[..., tuple[int, str, str]]


def test_the_version_is_the_installed_one(sluicegate: Command) -> None:
    assert sluicegate("--version") == (0, f"sluicegate {version('sluicegate')}\n", "")


def test_help_names_every_command_in_our_order(sluicegate: Command) -> None:
    code, out, _ = sluicegate("--help")
    assert code == 0
    places = [out.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(sluicegate: Command, name: str) -> None:
    code, out, err = sluicegate(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: sluicegate {name}")


@pytest.mark.parametrize(
    "arguments", [("walk",), ("--loud",), ("check", "--loud"), ("list",), ("list", "knives"), ("call",), ("connect",), ("show", "nothing")]
)
def test_a_wrong_command_line_exits_with_2(sluicegate: Command, arguments: Sequence[str]) -> None:
    code, out, err = sluicegate(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_completion_script(sluicegate: Command, shell: str) -> None:
    code, out, _ = sluicegate("completion", shell)
    assert code == 0
    assert "_SLUICEGATE_COMPLETE" in out


def test_completion_knows_the_commands(sluicegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SLUICEGATE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "sluicegate c")
    monkeypatch.setenv("COMP_CWORD", "1")
    code, out, _ = sluicegate()
    assert code == 0
    assert out.split() == ["plain,check", "plain,call", "plain,connect", "plain,completion"]


def failing_with(error: BaseException) -> click.Group:
    """A command line that fails."""

    @click.group(invoke_without_command=True)
    def cli() -> None:
        raise error

    return cli


CONFIG = ConfigError(
    [Problem("gate.toml", 3, "proxy.prot", "unknown key", "did you mean 'port'?"), Problem(None, None, "", "too few backends")]
)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (CONFIG, 1, "error: gate.toml:3: proxy.prot: unknown key; did you mean 'port'?\nerror: too few backends\n"),
        (click.ClickException("no such tool"), 1, "Error: no such tool\n"),
        (OSError(98, "Address already in use"), 1, "error: Address already in use\n"),
        (FileNotFoundError(2, "No such file or directory", "gate.toml"), 1, "error: No such file or directory: gate.toml\n"),
        (KeyboardInterrupt(), 1, "\ninterrupted\n"),
        (
            ExceptionGroup("two", [click.BadParameter("no port", param_hint="--port"), click.ClickException("no tool")]),
            2,
            "Error: Invalid value for --port: no port\nError: no tool\n",
        ),
        (ExceptionGroup("two", [click.ClickException("one"), ExceptionGroup("in", [OSError("two")])]), 1, "Error: one\nerror: two\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_is_words_and_no_traceback(
    sluicegate: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    monkeypatch.setattr(module, "cli", failing_with(error))
    assert sluicegate() == (code, "", told)


def test_a_bug_is_one_line_unless_its_place_is_asked_for(sluicegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cli", failing_with(ZeroDivisionError("oh")))
    code, out, err = sluicegate()
    assert (code, out) == (1, "")
    how = "This is a bug of Sluicegate; with SLUICEGATE_DEBUG=1 the same command shows where."
    assert err == f"error: internal error: ZeroDivisionError: oh\n{how}\n"
    monkeypatch.setenv("SLUICEGATE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        module.main([])


PRINTING = (
    ("check", "-c", "gate.toml"),
    ("explain",),
    ("example", "minimal"),
    ("schema",),
    ("show", "pipeline", "-c", "gate.toml", "--json"),
)


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_disk_is_an_error_in_words_whatever_was_to_be_printed(
    sluicegate: Command, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    """Python itself would notice at its end, print a traceback and exit with 120."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert sluicegate(*arguments) == (1, "", "error: No space left on device\n")


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_has_left_ends_the_command_without_a_word(
    sluicegate: Command, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(sys, "stderr", sys.stderr)  # click wraps it
        assert sluicegate(*arguments) == (1, "", "")


def commands(context: click.Context) -> Iterator[click.Context]:
    """Every command that has no others below it."""
    assert isinstance(context.command, click.Group)
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        assert command is not None
        below = click.Context(command, context, info_name=name)
        if isinstance(command, click.Group):
            yield from commands(below)
        else:
            yield below


LEAVES = tuple(commands(click.Context(module.cli, info_name="sluicegate")))


@pytest.mark.parametrize("context", LEAVES, ids=lambda context: context.command_path)
def test_the_help_of_a_command_tells_of_each_variable_that_it_reads(context: click.Context) -> None:
    told = " ".join(context.get_help().split())

    variables = [str(option.envvar) for option in context.command.params if option.envvar is not None]
    assert [name for name in variables if f"[env var: {name}" not in told] == []


@pytest.mark.parametrize("context", LEAVES, ids=lambda context: context.command_path)
def test_a_folder_is_no_file(context: click.Context, tmp_path: Path) -> None:
    """Said before anything is done with it."""
    for option in context.command.params:
        if isinstance(option.type, click.Path):
            with pytest.raises(click.BadParameter, match="is a directory"):
                option.type.convert(str(tmp_path), option, context)
