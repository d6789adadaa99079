"""Host names and URLs: whether they can be used, whether they mean this very machine, and what of them may be shown."""

from __future__ import annotations

import enum
import ipaddress
import re
import socket
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Reach", "is_address", "is_guarded", "is_loopback", "public_part", "reach_of"]


_COMPATIBLE, _TRANSLATED = ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b::/96")
"""Where an IPv4 address stands in the last four bytes (RFC 4291, 2.5.5.1; RFC 6052)."""
_HOST = re.compile(r"(?:\[[^\[\]@]*\]|[^\[\]:@]+)(?::\d*)?")


@lru_cache  # every request of a client names the same host
def is_loopback(name: str) -> bool:
    """Whether a host name or an address, with or without brackets, stands for this machine alone."""
    if name.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


class Reach(enum.IntEnum):
    """From where a host can be reached, the nearest first."""

    MACHINE = 0
    """From this machine alone, or as whatever listens on it."""
    LINK = 1
    """From the machines on the same wire, among which clouds have those that tell a machine its secrets."""
    INSIDE = 2
    """From a network that is somebody's own."""
    WORLD = 3


def reach_of(name: str) -> Reach:
    """The nearest that a host name or an address may stand for, however it is written; what stands in the DNS is not asked.

    Addresses are written in more ways than `ipaddress` knows: ``127.1``, ``0x7f.1`` and ``2130706433`` are all this machine to whoever
    connects (inet_aton), and so are ``0.0.0.0``, ``::ffff:127.0.0.1``, and names below ``localhost`` (RFC 6761, 6.3).
    """
    name = name.strip("[]").rstrip(".").lower()
    if name.rpartition(".")[2] == "localhost":
        return Reach.MACHINE
    found = _ip(name)
    if found is None:
        return Reach.WORLD
    if found.is_loopback or found.is_unspecified:
        return Reach.MACHINE
    return Reach.LINK if found.is_link_local else Reach.WORLD if found.is_global else Reach.INSIDE


def _ip(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        if ":" not in name:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        found = ipaddress.IPv6Address(name.partition("%")[0])
    except (OSError, ValueError):
        return None
    carries = (found in _COMPATIBLE and not found.is_loopback) or found in _TRANSLATED
    return found.ipv4_mapped or found.sixtofour or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if carries else found)


def is_address(text: str, schemes: Collection[str] = ("http", "https")) -> bool:
    """Whether a text is a URL of one of the schemes, with a host and no impossible port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0) and not re.search(r"\s", text)
    except ValueError:
        return False


def is_guarded(url: str) -> bool:
    """Whether nobody on the way can read or change what goes there and comes back: over TLS, or on this very machine."""
    return is_address(url) and (url.lower().startswith("https:") or is_loopback(urlsplit(url).hostname or ""))


def public_part(url: str) -> str:
    """A URL without what may be a secret in it: user, password, query and fragment.

    A password may hold any sign, and an address may be written wrongly. So where what stands before the path is no host, everything up to
    the last ``@`` is taken for user and password.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        if _HOST.fullmatch(host):
            return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        pass
    before_query = re.split(r"[?#]", url)[0]
    return "…" + before_query.rpartition("@")[2] if "@" in before_query else "…"
