"""Whether the ``[observability.audit]`` table makes sense."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...settings.audit_settings import AuditSettings
from ...settings.ranges import impossible
from ..problem import Problem

__all__ = ["audit_rules"]

_USUAL = AuditSettings()
_ONLY_FOR = {
    **dict.fromkeys(("rotate_bytes", "keep_files", "sync"), ("file",)),
    **dict.fromkeys(("when_full", "max_waiting"), ("file", "stdout", "syslog")),
    "address": ("syslog",),
}
_UDP = re.compile(r"udp://(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}")


def audit_rules(audit: AuditSettings | None) -> Iterator[Problem]:
    """What is wrong with it."""
    if audit is None or not audit.enabled:
        return
    for key, range_, _number in impossible(audit):
        yield _at(key, f"observability.audit.{key} {range_.words}", range_.instead)
    yield from _place(audit)
    idle = [key for key, targets in _ONLY_FOR.items() if audit.target not in targets]
    for key in idle:
        if getattr(audit, key) != getattr(_USUAL, key):
            yield _at(key, f"{key} has no effect where records go to {_PLACES[audit.target]}", "leave it out, or name a file")
    if audit.redact and not audit.arguments:
        yield _at("redact", "redact has no effect: a record has no arguments", "add arguments = true, or leave it out")
    yield from _paths(audit)
    if audit.key is not None and len(audit.key) < _SHORT:
        yield _at("key", f"the key has under {_SHORT} characters and can be guessed", "use a long random one")


_SHORT = 16
_PLACES = {"log": "the log", "stdout": "stdout", "syslog": "syslog", "file": "a file"}


def _place(audit: AuditSettings) -> Iterator[Problem]:
    if audit.target == "file" and not audit.file:
        yield _at("file", "there is no file for the audit", 'write file = "audit.jsonl"')
    elif audit.target != "file" and audit.file is not None:
        yield _at("file", f"file has no effect where records go to {_PLACES[audit.target]}", 'leave it out, or write to = "file"')
    if audit.target == "syslog" and not (audit.address.startswith("/") or _UDP.fullmatch(audit.address)):
        yield _at("address", "this is neither the path of a socket nor an address", 'write "/dev/log", or "udp://host:514"')


def _paths(audit: AuditSettings) -> Iterator[Problem]:
    if not audit.redact:
        return
    import jsonpath  # 30 ms, which only those pay who use it

    for index, path in enumerate(audit.redact):
        try:
            jsonpath.compile(path)
        except jsonpath.JSONPathError as error:
            what = f"this is no JSON Path: {str(error).partition(chr(10))[0]}"
            yield _at(f"redact[{index}]", what, 'write one such as "$.password", or "$..token"')


def _at(key: str, what: str, instead: str) -> Problem:
    return Problem(None, None, f"observability.audit.{key}", what, instead)
