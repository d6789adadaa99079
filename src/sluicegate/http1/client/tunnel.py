"""The way out through a proxy: a tunnel for ``https``, and for ``http`` requests that name the whole URL."""

from __future__ import annotations

import attrs
import trio

from .failures import Unreachable
from .head import encode_headers
from .origin import Origin, parse_address
from .response_parser import ResponseParser

__all__ = ["Proxy", "open_tunnel", "parse_proxy"]


@attrs.frozen
class Proxy:
    """Where the proxy is, and who we are to it."""

    origin: Origin
    headers: bytes = attrs.field(default=b"", repr=False)
    """``Proxy-Authorization``, ready to be sent, if its URL has a user."""

    @property
    def refusal(self) -> str:
        """What to tell about a 407."""
        known = "does not accept the user and password in its URL" if self.headers else "wants a user and a password, written into its URL"
        return f"proxy {self.origin} {known}"


def parse_proxy(url: str) -> Proxy:
    """A proxy from its URL, ``http://user:password@host:port``; raises `ValueError`."""
    address = parse_address(url if "://" in url else f"http://{url}")
    if address.target != b"/":
        raise ValueError("a proxy has no path: write http://host:port")
    basic = address.basic
    return Proxy(address.origin, encode_headers([("Proxy-Authorization", basic)]) if basic else b"")


async def open_tunnel(stream: trio.abc.Stream, proxy: Proxy, origin: Origin) -> None:
    """Ask the proxy to connect the stream to the origin; raises `Unreachable`. The caller bounds it in time and closes the stream."""
    where = origin.host_and_port.encode()
    parser = ResponseParser()
    parser.expect(b"CONNECT")
    try:
        await stream.send_all(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (where, where, proxy.headers))
        while not parser.status and not parser.failure:
            data = await stream.receive_some()
            if not data:
                raise Unreachable(f"proxy {proxy.origin} closed the connection instead of opening a tunnel")
            parser.feed(data)
    except trio.BrokenResourceError as error:
        raise Unreachable(f"proxy {proxy.origin} broke the connection instead of opening a tunnel") from error
    if parser.failure:
        raise Unreachable(f"proxy {proxy.origin} does not answer in HTTP: {parser.failure}")
    if parser.status == 407:
        raise Unreachable(proxy.refusal)
    if not 200 <= parser.status < 300:
        raise Unreachable(f"proxy {proxy.origin} opened no tunnel to {origin.host_and_port}: HTTP {parser.status}")
