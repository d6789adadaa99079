"""Host names and URLs: whether they can be used, whether they mean this very machine, and what of them may be shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

__all__ = ["is_address", "is_guarded", "is_loopback", "public_part"]


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
