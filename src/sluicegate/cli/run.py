"""``sluicegate run``: serve until a signal says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import attrs
import click

from ..config.checks.listen import host_rules
from ..config.checks.whole import is_host, refuse_open_bind
from ..config.model import OTHER_WORDS, Config, Loaded
from ..config.problem import ConfigError, Problem
from .configuration import Choice, choose_configuration
from .memory import load_structlog

if TYPE_CHECKING:
    from ..gateway.faulting import FaultKit

__all__ = ["command"]

Level = Literal["debug", "info", "warning", "error"]


@attrs.frozen(repr=False)
class _Overrides:
    """What the command line says in place of the configuration (LIM-53)."""

    host: str | None
    port: int | None
    log_level: Level | None
    allowed_hosts: tuple[str, ...]

    def apply(self, config: Config) -> Config:
        """The configuration with what was given on the command line."""
        listen, observability = config.proxy.listen, config.observability
        if self.host is not None or self.port is not None:
            listen = attrs.evolve(listen, unix=None, systemd=False)
        if self.host is not None:
            listen = attrs.evolve(listen, host=self.host)
        if self.port is not None:
            listen = attrs.evolve(listen, port=self.port)
        if self.log_level is not None:
            observability = attrs.evolve(observability, log_level=self.log_level)
        security = attrs.evolve(config.security, allowed_hosts=(*config.security.allowed_hosts, *self.allowed_hosts))
        return attrs.evolve(config, proxy=attrs.evolve(config.proxy, listen=listen), observability=observability, security=security)


def _expect_hosts(_context: click.Context, _option: click.Parameter, hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if not is_host(host):
            raise click.BadParameter(f"{host!r} is no value of a Host header; write NAME or NAME:PORT.")
    return hosts


@click.command("run", short_help="Serve until a signal says otherwise.")
@choose_configuration
@click.option("--stdio", is_flag=True, help="Serve one client on stdin and stdout instead of HTTP.")
@click.option("--strict", is_flag=True, help="Fail unless every backend comes up.")
@click.option("--insecure-no-auth", is_flag=True, help="Allow an address that others can reach although nobody has to say who they are.")
@click.option("--host", envvar="SLUICEGATE_HOST", show_envvar=True, help="Listen there instead.")
@click.option(
    "--port", type=click.IntRange(0, 65535), envvar="SLUICEGATE_PORT", show_envvar=True, help="Listen there instead; 0 takes a free one."
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME[:PORT]",
    callback=_expect_hosts,
    help="Answer to this Host, too, as with security.allowed_hosts; may be given often.",
)
@click.option(
    "--log-level",
    type=click.Choice([*get_args(Level), *OTHER_WORDS]),
    callback=lambda _context, _option, word: OTHER_WORDS.get(word, word),
    envvar="SLUICEGATE_LOG_LEVEL",
    show_envvar=True,
    help="Log from there on instead.",
)
@click.option("--faults", type=click.Path(dir_okay=False), help="Make the backends fail as this plan (TOML) says.")
@click.option("--seed", help="What the plan's draws follow from, in place of the seed in the plan; drawn where there is none.")
def command(  # noqa: PLR0913  one for each option
    choice: Choice,
    *,
    stdio: bool,
    strict: bool,
    insecure_no_auth: bool,
    host: str | None,
    port: int | None,
    allowed_hosts: tuple[str, ...],
    log_level: Level | None,
    faults: str | None,
    seed: str | None,
) -> int:
    """Serve the configuration's backends as one, until SIGTERM or Ctrl-C.

    The first signal ends in good order: what is running may finish within shutdown_timeout_seconds. A second Ctrl-C cuts it short.
    """
    if seed is not None and faults is None:
        raise click.UsageError("--seed goes with --faults")
    loaded = choice.load_runnable()
    overrides = _Overrides(host, port, log_level, allowed_hosts)
    config = overrides.apply(loaded.config)
    problems = [] if host is None else list(host_rules(host))
    if not stdio and not problems and (refused := refuse_open_bind(config, insecure=insecure_no_auth, hosts=_inherited(config))):
        problems.append(refused)
    if stdio and config.observability.audit is not None and config.observability.audit.target == "stdout":
        what = "over stdio the client reads stdout, and nothing else may be written there"
        problems.append(Problem(None, None, "observability.audit.to", what, 'write file = "audit.jsonl" instead'))
    if problems:
        raise ConfigError(loaded.placed(problem) if host is None else attrs.evolve(problem, path="--host") for problem in problems)
    load_structlog()
    from .serving import serve

    def read_again() -> Loaded:
        again = choice.read_again()
        return attrs.evolve(again, config=overrides.apply(again.config))

    kit = None if faults is None else _faults(faults, seed, config)
    return serve(attrs.evolve(loaded, config=config), read_again, stdio=stdio, strict=strict, faults=kit)


def _faults(plan: str, seed: str | None, config: Config) -> FaultKit:
    """The faults of a plan; loaded only for those who ask, because it is the test kit that has them."""
    from ..testing.injections.injector import load_faults

    return load_faults(plan, seed, {backend.name: backend.transport for backend in config.backends})


def _inherited(config: Config) -> list[str] | None:
    """The addresses of the sockets that systemd has opened, if those are to be used."""
    if not config.proxy.listen.systemd:
        return None
    from ..outside import inherited_hosts

    return inherited_hosts()
