"""What each request of a revision without a handshake says in its ``_meta`` about itself and its client (P-1, P-3)."""

from __future__ import annotations

from functools import lru_cache

import attrs
import msgspec

from . import faults
from .capabilities import read_capabilities
from .eras import MODERN
from .errors import UNSUPPORTED_VERSION
from .faults import Fault
from .log_levels import LEVELS, is_log_line, severity
from .members import Malformed, Params, Raw, decode_object
from .messages import encode, read_text
from .spelled import may_name

__all__ = [
    "CAPABILITIES",
    "INFO",
    "LEVEL",
    "SERVER",
    "SUBSCRIPTION",
    "VERSION",
    "Introduction",
    "names_version",
    "read_introduction",
    "unsupported",
]

_OURS = "io.modelcontextprotocol/"
VERSION = f"{_OURS}protocolVersion"
CAPABILITIES = f"{_OURS}clientCapabilities"
INFO = f"{_OURS}clientInfo"
LEVEL = f"{_OURS}logLevel"
SUBSCRIPTION = f"{_OURS}subscriptionId"
SERVER = f"{_OURS}serverInfo"

_HOP_BY_HOP = frozenset({VERSION, CAPABILITIES, INFO, LEVEL, SUBSCRIPTION})
"""What is said from one to the next alone: a backend is told our own, or none."""
_VERSION = VERSION.encode()


class Introduction(msgspec.Struct, frozen=True, eq=False):
    """Who asks, and what he can do; for one request."""

    version: str
    capabilities: Params
    level: str | None
    """The level from which on log lines about it are wanted; None for none at all (P-121)."""
    params: Params
    """The request's parameters without what was read."""

    def hears(self, note: bytes) -> bool:
        """Whether a note about the request is wanted: progress in any case, a log line if it is loud enough."""
        return not is_log_line(note) or (self.level is not None and severity(note) >= LEVELS[self.level])


def names_version(params: Params) -> bool:
    """Whether a message says of itself that it is of such a revision; not whether it says so well (P-8)."""
    meta = params.get("_meta")
    if meta is None:
        return False
    text = bytes(meta)
    return may_name(text, _VERSION) and (_VERSION in text or VERSION in _members(text))


def read_introduction(params: Params) -> Introduction | Fault:
    """Read it, or say what is wrong; whose client names itself or not is all the same (P-3)."""
    raw = params.get("_meta")
    if raw is None:
        return faults.client_mistake(f'"_meta" is missing; say there "{VERSION}" and "{CAPABILITIES}"')
    meta = bytes(raw)
    said = _read(meta) if len(meta) > _LONGEST_KNOWN or _CHANGES in meta else _known(meta)
    if isinstance(said, Fault):
        return said
    own = params.copy()
    del own["_meta"]
    return Introduction(said.version, said.capabilities, said.level, own | said.rest if said.rest else own)


def _members(text: bytes) -> Params:
    members = decode_object(text)
    return {} if isinstance(members, Malformed) else members


class _Said(msgspec.Struct, frozen=True, eq=False):
    """What stands in a ``_meta``."""

    version: str
    capabilities: Params
    level: str | None
    rest: Params
    """``_meta`` without what was read, if there is anything else."""


_LONGEST_KNOWN = 1024
_CHANGES = b"progressToken"
"""What is another one with each request."""


def _read(raw: bytes) -> _Said | Fault:
    meta = decode_object(raw)
    if isinstance(meta, Malformed):
        return faults.client_mistake('"_meta" must be an object')
    version = read_text(meta, VERSION)
    if version is None:
        return faults.client_mistake(f'"{VERSION}" in "_meta" must be a string')
    if CAPABILITIES not in meta:
        return faults.client_mistake(f'"{CAPABILITIES}" is missing in "_meta"; an empty object will do')
    capabilities = read_capabilities(meta[CAPABILITIES], CAPABILITIES)
    if isinstance(capabilities, Fault):
        return capabilities
    level = read_text(meta, LEVEL)
    if LEVEL in meta and level not in LEVELS:
        return faults.client_mistake(f'"{LEVEL}" must be one of {", ".join(LEVELS)}')
    rest = {key: raw for key, raw in meta.items() if key not in _HOP_BY_HOP}
    return _Said(version, capabilities, level, {"_meta": Raw(encode(rest))} if rest else {})


_known = lru_cache(256)(_read)
"""A client says the same with each of its requests, and reading that is most of what such a request costs more than one in a session."""


def own_introduction(version: str, capabilities: Params, client: Raw, level: str | None = None) -> Params:
    """What we say to a backend: the revision, what the client behind the request can do, who we are, and what is wanted of the log."""
    said = {VERSION: Raw(encode(version)), CAPABILITIES: Raw(encode(capabilities)), INFO: client}
    return said if level is None else said | {LEVEL: Raw(encode(level))}


def unsupported(version: str) -> Fault:
    """The revision is none of those without a handshake that we speak (P-4)."""
    fault = faults.client_mistake(
        f"Unsupported protocol version: {version!r}; send one of {', '.join(MODERN)}",
        code=UNSUPPORTED_VERSION,
        reason="unsupported_version",
    )
    return attrs.evolve(fault, details={"supported": Raw(encode(MODERN)), "requested": Raw(encode(version))})
