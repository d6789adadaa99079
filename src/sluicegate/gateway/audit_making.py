"""From the settings of the audit to what writes it, for the length of a gateway's life."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from ..config.problem import ConfigError, Problem
from ..outside.blocking import RunBlocking
from ..settings.audit_settings import AuditSettings
from ..telling.loggers import get_logger

if TYPE_CHECKING:
    from ..observe.audit.auditor import Audit, Redact
    from ..observe.audit.ledger import DirectLedger, ThreadLedger
    from ..observe.audit.record_target import RecordTarget

__all__ = ["auditing"]

log = get_logger("sluicegate.audit")

Take = Callable[[bytes], None]


@asynccontextmanager
async def auditing(
    settings: AuditSettings | None, wall: Callable[[], float], run_blocking: RunBlocking, take: Take | None
) -> AsyncGenerator[Audit | None, None]:
    """Write an audit for the length of a block, as a configuration wants it, and whatever is waiting at its end.

    Args:
        settings: None is no audit.
        wall: time of day.
        run_blocking: runs what may block.
        take: gets each line at once and must not block; in the place of what the settings say.

    Raises:
        ConfigError: records cannot be written there.
    """
    if settings is None or not settings.enabled:
        yield None
        return
    from ..observe.audit.auditor import Audit

    ledger = _ledger(settings, wall, take)
    audit = Audit(ledger, wall, settings.hash_arguments, settings.hash_results, _redact(settings))
    async with _written(ledger, run_blocking, settings):
        audit.tell("start")
        try:
            yield audit
        finally:
            audit.tell("stop")


@asynccontextmanager
async def _written(ledger: DirectLedger | ThreadLedger, run_blocking: RunBlocking, settings: AuditSettings) -> AsyncGenerator[None, None]:
    from ..observe.audit.ledger import FAREWELL_SECONDS, ThreadLedger

    if not isinstance(ledger, ThreadLedger):
        yield
        return
    try:
        await run_blocking(ledger.open)
    except OSError as error:
        key = {"file": ".file", "syslog": ".address"}.get(settings.target, "")
        what = f"the audit cannot be written there: {error.strerror or error}"
        raise ConfigError([Problem(None, None, f"observability.audit{key}", what, "name a place that can be written to")]) from None
    ledger.start()
    try:
        yield
    finally:
        with trio.move_on_after(2 * FAREWELL_SECONDS, shield=True):
            await run_blocking(partial(ledger.close, FAREWELL_SECONDS))


def _ledger(settings: AuditSettings, wall: Callable[[], float], take: Take | None) -> DirectLedger | ThreadLedger:
    from ..observe.audit.chain import Chain
    from ..observe.audit.ledger import DirectLedger, ThreadLedger

    chain = Chain(b"" if settings.key is None else settings.key.reveal().encode())
    if take is not None or settings.target == "log":
        return DirectLedger(take or _as_event, chain)
    return ThreadLedger(_target(settings, wall), wall, settings.when_full == "block", settings.max_waiting, chain)


def _target(settings: AuditSettings, wall: Callable[[], float]) -> RecordTarget:
    from ..observe.audit.handed_on import Descriptor, Syslog

    if settings.target == "stdout":
        return Descriptor(sys.stdout.fileno())
    if settings.target == "syslog":
        return Syslog(settings.address)
    from ..observe.audit.trail_file import TrailFile

    assert settings.file is not None
    return TrailFile(Path(settings.file), settings.rotate_bytes, settings.keep_files, settings.sync, wall)


def _redact(settings: AuditSettings) -> Redact | None:
    if not settings.arguments:
        return None
    from ..observe.audit.redaction import redacting

    return redacting(settings.redact)


def _as_event(line: bytes) -> None:
    log.info("audit", record=line.decode())
