"""What can be set of the audit."""

from __future__ import annotations

from typing import Literal

import attrs

from .ranges import ANY_NUMBER, POSITIVE, within
from .secret import Secret, secret

__all__ = ["AuditSettings"]


@attrs.frozen(repr=False)
class AuditSettings:
    """A record of each request at its end: who, what, where it went and what became of it, chained so that no change stays unseen."""

    enabled: bool = True
    """Whether there is one; ``audit = true`` in [observability] says the same."""
    to: Literal["log", "file", "stdout", "syslog"] | None = attrs.field(default=None, metadata={"example": "file"})
    """Where records go: to the log on stderr, which may lose some; to a file, to stdout, or to syslog. To the file if one is named, else to the log."""
    file: str | None = attrs.field(default=None, metadata={"example": "audit.jsonl"})
    """The file, relative to this one. It grows, and belongs to one gateway at a time."""
    address: str = "/dev/log"
    """Of syslog: the socket of its daemon, or "udp://host:514"."""
    rotate_bytes: int = attrs.field(default=64 * 1024 * 1024, metadata=within(ANY_NUMBER))
    """From where on another file is begun; the full one gets the number of its last record behind its name. 0 is never."""
    keep_files: int = attrs.field(default=0, metadata=within(ANY_NUMBER))
    """So many full files are kept; 0 keeps all."""
    sync: Literal["never", "second", "batch"] = "second"
    """When records must be on the disk: when the system sees fit, within a second, or each batch (20 a second at most) before the next."""
    when_full: Literal["block", "drop_and_count"] = "block"
    """What happens while records cannot be written, and no more may wait: new requests wait, or the oldest records are dropped, and a record says how many."""
    max_waiting: int = attrs.field(default=10_000, metadata=within(POSITIVE))
    """Records that may wait to be written."""
    hash_arguments: bool = False
    """Whether a record has the SHA-256 of the arguments, as they came."""
    hash_results: bool = False
    """The same for the result, as it was sent."""
    arguments: bool = False
    """Whether a record has the arguments themselves, if they are not large."""
    redact: tuple[str, ...] = attrs.field(default=(), metadata={"example": ["$.password", "$..token"]})
    """What is left out of them: JSON Paths (RFC 9535), such as "$.password", "$.user.*" and "$..token"."""
    key: Secret | None = attrs.field(default=None, converter=secret, metadata={"example": "${AUDIT_KEY}"})
    """With it the chain is an HMAC: who can write the file, but does not know the key, cannot write another history."""

    @property
    def target(self) -> str:
        """Where records go."""
        return self.to or ("log" if self.file is None else "file")
