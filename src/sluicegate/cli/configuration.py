"""The options that choose a configuration, the same for every command that takes one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import click
from click.core import ParameterSource

from ..config.load import Loaded, from_mcp_json, load
from ..config.problem import ConfigError

__all__ = ["DEFAULT", "Choice", "choose_configuration"]

DEFAULT = Path("proxy.toml")
"""What is read where nothing is named (CLI-1)."""

Command = Callable[..., Any]


@attrs.frozen(repr=False)
class Choice:
    """Which files make the configuration."""

    config: Path | None = None
    from_mcp_json: Path | None = None
    import_mcp_json: Path | None = None

    @property
    def named(self) -> bool:
        """Whether any file was named."""
        return any((self.config, self.from_mcp_json, self.import_mcp_json))

    def load(self) -> Loaded:
        """Read and check it; notes of an import and warnings go to stderr. Raises `ConfigError`."""
        if self.from_mcp_json is not None:
            return from_mcp_json(self.from_mcp_json)
        loaded = load(self._file(), import_mcp_json=self.import_mcp_json)
        for note in loaded.notes:
            click.echo(note, err=True)
        return loaded

    def read_again(self) -> Loaded:
        """The same files once more, for a gateway that runs; prints nothing. Raises `ConfigError`, also for what is only planned."""
        if self.from_mcp_json is not None:
            loaded = from_mcp_json(self.from_mcp_json)
        else:
            loaded = load(self.config or DEFAULT, import_mcp_json=self.import_mcp_json)
        if loaded.planned:
            raise ConfigError(loaded.planned)
        return loaded

    def load_runnable(self) -> Loaded:
        """The same, for a command that starts the gateway: what is only planned is an error here, and warnings are printed."""
        loaded = self.load()
        if loaded.planned:
            raise ConfigError(loaded.planned)
        for warning in loaded.warnings:
            click.echo(f"warning: {warning}", err=True)
        return loaded

    def _file(self) -> Path:
        if self.config is not None:
            return self.config
        if not DEFAULT.exists():
            raise click.ClickException(f"there is no {DEFAULT} here; name a configuration with -c, or a client's file with --from-mcp-json")
        return DEFAULT


def choose_configuration(command: Command) -> Command:
    """Add the options to a command and hand it a `Choice` as ``choice``."""
    file = click.Path(dir_okay=False, path_type=Path)

    @click.option(
        "-c",
        "--config",
        type=file,
        envvar="SLUICEGATE_CONFIG",
        show_envvar=True,
        help=f"Configuration, TOML or YAML.  [default: {DEFAULT}]",
    )
    @click.option(
        "--from-mcp-json",
        type=file,
        metavar="PATH",
        help="Take the backends from a client's file, such as .mcp.json, and need no configuration.",
    )
    @click.option("--import-mcp-json", type=file, metavar="PATH", help="Add the backends of a client's file to the configuration.")
    @functools.wraps(command)
    def with_choice(*args: Any, config: Path | None, from_mcp_json: Path | None, import_mcp_json: Path | None, **kwargs: Any) -> Any:
        typed = click.get_current_context().get_parameter_source("config") is ParameterSource.COMMANDLINE
        if typed and from_mcp_json:
            raise click.UsageError("-c and --from-mcp-json exclude each other; to add backends to a configuration, use --import-mcp-json.")
        if not typed and (from_mcp_json or kwargs.get("url")):
            config = None  # what is typed wins over the environment
        return command(*args, choice=Choice(config, from_mcp_json, import_mcp_json), **kwargs)

    return with_choice
