"""Reading the configuration again while the gateway runs: when it is asked for, and when a file has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from ..config.model import Config, Loaded
from ..config.problem import ConfigError
from ..gateway.fleet import BackendFailed
from ..gateway.opening import Gateway
from ..observe.log import show_from
from ..outside.blocking import RunBlocking, run_blocking
from ..telling.loggers import get_logger
from .changed_files import watch
from .notify_socket import NotifySocket

__all__ = ["Reloading"]

log = get_logger("sluicegate.reload")


@attrs.define(eq=False, repr=False)
class Reloading:
    """Has a gateway follow the files that its configuration came from."""

    read: Callable[[], Loaded]
    """Reads them, in a thread; raises `ConfigError`."""
    files: frozenset[Path]
    """What it was made of when it was last read without a mistake."""
    conceal: Callable[[Config], None]
    """Told of a configuration before anything of it can come into the log."""
    manager: NotifySocket = attrs.field(factory=NotifySocket)
    """Told that it is read, and that this is over."""
    in_thread: RunBlocking = run_blocking
    _applying: int = attrs.field(default=0, init=False)
    """Configurations that have not taken effect yet, or wait for what ends because of them."""
    _due: trio.Event = attrs.field(factory=trio.Event, init=False)

    def ask(self) -> None:
        """Read it again, soon; sync."""
        self._due.set()

    async def run(self, gateway: Gateway) -> None:
        """Do so until cancelled, and watch the files where the configuration says so."""
        async with trio.open_nursery() as nursery:
            if gateway.config.proxy.hot_reload:
                nursery.start_soon(watch, lambda: self.files, self.ask, self.in_thread)
            while True:
                await self._due.wait()
                self._due = trio.Event()
                self.manager.reloading()
                if (wanted := await self._read(gateway)) is None:
                    self.manager.ready()
                else:
                    nursery.start_soon(self._apply, gateway, wanted)  # which may wait for the last calls of a backend that goes

    async def _read(self, gateway: Gateway) -> Config | None:
        try:
            loaded = await self.in_thread(self.read, abandon=True)
        except ConfigError as error:
            gateway.reloads.refuse()
            self.files |= error.files
            problems = [str(problem) for problem in error.problems]
            log.error("the configuration has mistakes, so nothing was changed", problems=problems)  # noqa: TRY400  the operator's, and no bug
            return None
        except Exception:  # a bug in what reads must not end what runs
            gateway.reloads.refuse()
            log.exception("bug in reading the configuration, so nothing was changed")
            return None
        self.files = loaded.files
        self.conceal(loaded.config)
        for warning in loaded.warnings:
            log.warning("warning about the configuration", warning=warning)
        return loaded.config

    async def _apply(self, gateway: Gateway, wanted: Config) -> None:
        if wanted == gateway.config and not self._applying:  # else what runs is about to be another
            gateway.reloads.keep()
            log.info("the configuration was read again, and is the same")
            self.manager.ready()
            return
        self._applying += 1
        try:
            waiting = await gateway.reconfigure(wanted)
        except (ConfigError, BackendFailed) as error:
            log.error("the configuration cannot be run, so nothing was changed", error=str(error))  # noqa: TRY400  so here
            return
        except Exception:  # nor one in what is made of it
            gateway.reloads.refuse()
            log.exception("bug in taking over another configuration")
            return
        finally:
            self._applying -= 1
            self.manager.ready()
        show_from(wanted.observability.log_level)
        log.info("the configuration was read again, and has taken effect")
        if waiting:
            log.warning("some settings take effect only when the gateway is started again", settings=list(waiting))
