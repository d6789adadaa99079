"""Running the gateway as a process: the event loop, the signals, and what is told at the start and the end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import attrs
import click
import trio

from ..config.model import ListenConfig, Loaded
from ..config.secrets import secrets_of
from ..gateway.faulting import FaultKit
from ..gateway.fleet import BackendFailed
from ..gateway.opening import Gateway, open_gateway
from ..observe.access import Beside, JsonForm, TextForm
from ..observe.buffer import Buffer
from ..observe.log import logging_to
from ..observe.stamps import stamp
from ..outside.standard_streams import open_standard_streams
from ..protocol.blot import Blotting
from ..protocol.clientele import Clientele
from ..telling.loggers import get_logger
from .conversation import first_leaf
from .descriptors import allow_descriptors
from .first_signals import FirstSignals, ends, has_terminal
from .memory import give_memory_back, settle_memory
from .notify_socket import NotifySocket
from .reloading import Reloading

__all__ = ["Signals", "connect", "listen_to_signals", "serve"]

log = get_logger("sluicegate.cli")


@attrs.define(eq=False, repr=False)
class Signals:
    """What the operator wants: first an end in good order, then an end."""

    stop: trio.Event = attrs.field(factory=trio.Event, init=False)
    can_stop: bool = attrs.field(default=False, init=False)
    """Whether someone waits for `stop`; before that, while things are starting, the first signal cuts."""
    cut: bool = attrs.field(default=False, init=False)
    """Whether a drain was cut short."""
    reload: Callable[[], None] | None = None
    """Called for SIGHUP, but where that means that the terminal was closed; None where it always does."""
    has_terminal: bool = attrs.field(factory=has_terminal, init=False)

    async def watch(self, everything: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        """Listen until cancelled."""
        with trio.open_signal_receiver(*ends()) as received:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP and self.reload is not None and not (self.has_terminal and not has_terminal()):
                    self.reload()
                    continue
                if not self.can_stop:
                    everything.cancel(reason="a signal while starting")
                elif self.stop.is_set() and number == signal.SIGINT:
                    self.cut = True
                    everything.cancel(reason="a second SIGINT")
                self.stop.set()

    async def wait(self) -> None:
        """Wait for the first signal, or for whatever else sets `stop`."""
        self.can_stop = True
        await self.stop.wait()


@asynccontextmanager
async def listen_to_signals(reload: Callable[[], None] | None = None) -> AsyncIterator[Signals]:
    """SIGTERM, SIGINT and a terminal that closes are ours inside the block: the first ends `Signals.wait`, and a second SIGINT cancels the block.

    Any other SIGHUP calls ``reload``, where there is one.
    """
    signals, first = Signals(reload=reload), signal.getsignal(signal.SIGTERM)
    async with trio.open_nursery() as nursery:
        await nursery.start(signals.watch, nursery.cancel_scope)
        if isinstance(first, FirstSignals):
            first.over = True
        yield signals
        nursery.cancel_scope.cancel(reason="done")


def serve(loaded: Loaded, read_again: Callable[[], Loaded], *, stdio: bool, strict: bool, faults: FaultKit | None = None) -> int:
    """Serve until stdin ends or a signal comes; the exit code."""
    config = loaded.config
    observability = config.observability
    blot = Blotting(secrets_of(config))
    manager = NotifySocket()
    reloading = Reloading(read_again, loaded.files, lambda config: blot.add(secrets_of(config)), manager)
    with logging_to(sys.stderr.fileno(), observability.log_level, json=observability.json_logs, blot=blot) as buffer:
        if not stdio and not allow_descriptors(most := config.proxy.listen.max_connections):
            log.warning("too few files may be open for max_connections; see ulimit -Hn, or LimitNOFILE of systemd", max_connections=most)
        if faults is not None:
            log.warning("backends are made to fail on purpose; the same seed and order of calls give the same faults", **faults.health())
        calls = Beside(buffer, JsonForm() if observability.json_logs else TextForm())
        audit = None
        if observability.audit is not None and observability.audit.target == "log":
            audit = buffer.put if observability.json_logs else partial(_put_in_text, buffer)

        async def main() -> int:
            async with listen_to_signals(reloading.ask) as signals:
                try:
                    client = Clientele() if stdio else None
                    async with open_gateway(
                        config, strict=strict, access_log=calls, audit_log=audit, faults=faults, one_client=client
                    ) as gateway:
                        settle_memory()
                        async with trio.open_nursery() as beside:
                            beside.start_soon(reloading.run, gateway)
                            await (_serve_stdio if stdio else _serve_http)(gateway, signals, manager)
                            beside.cancel_scope.cancel(reason="draining")
                except BackendFailed as error:
                    raise click.ClickException(blot(str(error))) from None
            return 1 if signals.cut else 0

        return trio.run(main)


def _put_in_text(buffer: Buffer, line: bytes) -> None:
    """Beside events in text, in the form that they have."""
    buffer.put(f"{stamp(time.time())} [info     ] audit [sluicegate.audit] ".encode() + line)


async def _serve_http(gateway: Gateway, signals: Signals, manager: NotifySocket) -> None:
    async with trio.open_nursery() as nursery:
        try:
            urls = await nursery.start(gateway.serve)
        except* OSError as group:
            raise click.ClickException(_cannot_listen(gateway.config.proxy.listen, first_leaf(group))) from None
        nursery.start_soon(give_memory_back)
        addresses = [_to_be_pasted(url) for url in urls]
        log.info("serving", urls=addresses)
        manager.ready(f"serving {' '.join(addresses)}")
        await signals.wait()
        log.info("draining")
        manager.stopping()
        nursery.cancel_scope.cancel(reason="draining")


def _to_be_pasted(url: str) -> str:
    """What goes into a client's file: the address of the endpoint; a Unix socket has a path already."""
    return url if url.startswith("unix:") else f"{url}/mcp"


def _cannot_listen(listen: ListenConfig, error: BaseException) -> str:
    """Why, and what to do; where systemd has opened nothing, and with an unusable certificate, the error itself says that."""
    why = getattr(error, "strerror", None) or str(error)
    advice = "; choose another place with --host and --port"
    if listen.unix is not None:
        advice = "; see that its folder is there and can be written to, or choose another path in proxy.listen.unix"
    if listen.systemd or getattr(error, "errno", None) is None:
        advice = ""
    return f"cannot listen on {listen.place}: {why}{advice}"


async def _serve_stdio(gateway: Gateway, signals: Signals, manager: NotifySocket) -> None:
    async with trio.open_nursery() as nursery:

        async def serve_until_end() -> None:
            async with open_standard_streams() as (stdin, stdout):
                await gateway.serve_stdio(stdin, stdout)
            signals.stop.set()

        nursery.start_soon(serve_until_end)
        manager.ready()
        await signals.wait()
        manager.stopping()
        nursery.cancel_scope.cancel(reason="draining")


def connect(url: str, headers: Mapping[str, str]) -> None:
    """Bridge stdin and stdout to a running gateway until stdin ends or a signal comes."""
    from ..bridge.stdio_server import bridge

    async def main() -> None:
        settle_memory()
        async with listen_to_signals() as signals, trio.open_nursery() as nursery:

            async def bridge_until_end() -> None:
                async with open_standard_streams() as (stdin, stdout):
                    await bridge(url, headers, stdin, stdout)
                signals.stop.set()

            nursery.start_soon(bridge_until_end)
            await signals.wait()
            nursery.cancel_scope.cancel(reason="a signal, or the end of stdin")

    with logging_to(sys.stderr.fileno(), "warning"):
        trio.run(main)
