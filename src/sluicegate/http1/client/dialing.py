"""New connections: TCP, the tunnel through a proxy, TLS. Whatever goes wrong, nothing of the request was sent yet."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import attrs
import trio

from ...outside import OpenStream
from ...tls.client import TlsFiles, client_context
from ..sockets import quicken
from .failures import Unreachable
from .origin import Origin
from .tunnel import Proxy, open_tunnel, parse_proxy

__all__ = ["Dialer", "Finish", "dialer_to"]

Finish = Callable[[trio.abc.Stream], trio.abc.Stream]
"""The same connection in another form."""


@attrs.frozen(eq=False, repr=False)
class Dialer:
    """Connects to one origin, each time in the same way."""

    origin: Origin
    open_stream: OpenStream
    tls: ssl.SSLContext | None
    """None where neither the origin nor the proxy speaks TLS."""
    proxy: Proxy | None = None
    finish: Finish = quicken
    """What becomes of a stream that stands, above TLS; the test kit puts faults there."""
    tunnels: bool = False
    """Ask the proxy for a tunnel also without TLS, for what does not stay HTTP (RFC 6455, 4.1)."""

    @property
    def forwarder(self) -> Proxy | None:
        """The proxy, if it reads our requests itself instead of opening a tunnel."""
        return None if self._has_tunnel else self.proxy

    @property
    def _has_tunnel(self) -> bool:
        return self.tunnels or self.origin.scheme == "https"

    async def dial(self) -> trio.abc.Stream:
        """A stream on which requests can be sent; raises `Unreachable`. The caller bounds it in time."""
        first = self.origin if self.proxy is None else self.proxy.origin
        try:
            stream = await self.open_stream(first.host, first.port)
        except (OSError, ValueError, trio.BrokenResourceError) as error:  # ValueError: a name that no resolver takes
            raise Unreachable(("" if self.proxy is None else f"proxy {first}: ") + _told(error)) from error
        try:
            stream = await self._secured(stream, first)
            if self.proxy is not None and self._has_tunnel:
                await open_tunnel(stream, self.proxy, self.origin)
                stream = await self._secured(stream, self.origin)
        except BaseException:  # cancelled, too: nobody else has the stream yet
            await trio.aclose_forcefully(stream)
            raise
        return self.finish(stream)

    async def _secured(self, stream: trio.abc.Stream, peer: Origin) -> trio.abc.Stream:
        if peer.scheme != "https":
            return stream
        assert self.tls is not None
        secured = trio.SSLStream(stream, self.tls, server_hostname=peer.host, https_compatible=True)
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            raise Unreachable(f"no TLS with {peer.host_and_port}: {_told(error)}") from error
        return secured


def dialer_to(
    origin: Origin, open_stream: OpenStream, tls: TlsFiles | None, proxy: str | None, finish: Finish = quicken, *, tunnels: bool = False
) -> Dialer:
    """A dialer for these settings; raises `ValueError` for files or a proxy that cannot be used."""
    through = None if proxy is None else _proxy(proxy)
    needed = origin.scheme == "https" or (through is not None and through.origin.scheme == "https")
    return Dialer(origin, open_stream, client_context(tls or TlsFiles()) if needed else None, through, finish, tunnels)


def _proxy(url: str) -> Proxy:
    try:
        return parse_proxy(url)
    except ValueError as error:
        raise ValueError(f"proxy: {error}") from error


def _told(error: BaseException) -> str:
    """The reason at the root of an error: what Trio raises says only that all attempts have failed."""
    cause: BaseException = error
    while (below := cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__) is not None:
        cause = below
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {cause.verify_message.rstrip('.')}"
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or str(cause)).replace("_", " ").lower()
    said = cause.strerror if isinstance(cause, OSError) else str(cause)
    return said or "the connection was closed"
