"""Where requests go: the origin of a URL, and what stands in the request line. One notation for what is spelt in many ways."""

from __future__ import annotations

import base64
import ipaddress
import re
from urllib.parse import quote, unquote, urljoin, urlsplit

import attrs

__all__ = ["Address", "Origin", "parse_address"]

PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*\.?")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_PATH_SAFE = "/%:@!$&'()*+,;=~"
"""Characters that stay as they are, escapes included: a URL that was encoded once is not encoded again."""
_QUERY_SAFE = _PATH_SAFE + "?"


@attrs.frozen
class Origin:
    """Scheme, host and port: whoever has the same three is the same server."""

    scheme: str
    host: str
    """In lower case and ASCII; an IPv6 address without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """Host and port as in a ``Host`` header: the port only where it is not the scheme's own."""
        return self.host_in_brackets + ("" if PORTS[self.scheme] == self.port else f":{self.port}")

    @property
    def host_and_port(self) -> str:
        """Host and port as ``CONNECT`` wants them: always both."""
        return f"{self.host_in_brackets}:{self.port}"

    @property
    def host_in_brackets(self) -> str:
        """The host as it stands in a URL; what an address says about our own network interface is nobody else's business."""
        return f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@attrs.frozen
class Address:
    """A URL, taken apart."""

    origin: Origin
    target: bytes
    """Path and query as the request line has them; never empty."""
    userinfo: str = attrs.field(default="", repr=False)
    """User and password, as far as there are any, still escaped."""

    @property
    def basic(self) -> str:
        """User and password as the value of an ``Authorization`` header; empty where there are none."""
        return "Basic " + base64.b64encode(unquote(self.userinfo).encode()).decode() if self.userinfo else ""

    def join(self, location: str) -> Address:
        """Where a redirect from here leads; raises `ValueError`."""
        return parse_address(urljoin(f"{self.origin}{self.target.decode('ascii')}", location))


def parse_address(url: str) -> Address:
    """Take a URL apart; raises `ValueError` with a sentence about what is wrong with it. A fragment is dropped."""
    if _UNPRINTABLE.search(url):
        raise ValueError("it must have no spaces and no control characters")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and name a host")
    if parts.port == 0:
        raise ValueError("port 0 is nobody's")
    if "\\" in parts.netloc:
        raise ValueError("it has a backslash before its path, which some read as a slash")
    origin = Origin(parts.scheme, _host(parts.hostname), parts.port or PORTS[parts.scheme])
    target = quote(parts.path or "/", safe=_PATH_SAFE) + (f"?{quote(parts.query, safe=_QUERY_SAFE)}" if parts.query else "")
    return Address(origin, target.encode("ascii"), parts.netloc.rpartition("@")[0])


def _host(name: str) -> str:
    if ":" in name:
        ipaddress.IPv6Address(name)  # raises ValueError
        return name
    host = name if name.isascii() else name.encode("idna").decode("ascii")
    if not _NAME.fullmatch(host):
        raise ValueError(f"{name!r} cannot be the name of a host")
    return host
