"""Whether what is said about the way to a backend makes sense: its program, or its address and what is sent there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs

from ...protocol.addresses import is_address
from ...protocol.headers import is_header_name, is_header_value, is_token
from ..inheritance import wrong_names
from ..model import BackendConfig, BackendTlsConfig
from ..problem import Problem, dotted
from .files import unreadable_files
from .programs import is_a_whole_line

__all__ = ["reach_rules"]

_OWN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-length", "content-type", "host"),
        *("last-event-id", "mcp-protocol-version", "mcp-session-id", "transfer-encoding"),
    }
)
_PLAIN, _SOCKETS = ("http", "https"), ("ws", "wss")
_SOCKETS_OWN = "sec-websocket-"
"""How the headers begin that a WebSocket's handshake sets."""
_ONLY_STDIO = ("command", "args", "env", "cwd", "inherit_env")
_ONLY_HTTP = ("url", "bearer_token", "auth", "forward_auth", "tls", "proxy")
_DEFAULTS = BackendConfig(name="", transport="stdio")


def reach_rules(index: int, backend: BackendConfig) -> Iterator[Problem]:
    """What is wrong with the way to the backend at that place."""
    way = _Way(index, backend)
    yield from way.transport()
    yield from way.headers()
    yield from way.tls()


@attrs.frozen(repr=False)
class _Way:
    """The rules for one backend."""

    index: int
    backend: BackendConfig

    def transport(self) -> Iterator[Problem]:
        backend, name = self.backend, self.backend.name
        needs = {"stdio": "command", "http": "url", "websocket": "url", "sse": "url"}.get(backend.transport)
        if needs and not getattr(backend, needs):
            yield self._at(needs, f"backend '{name}': {backend.transport} transport requires '{needs}'", f'add {needs} = "…"')
        unused = {"stdio": _ONLY_HTTP, "inprocess": (*_ONLY_HTTP, *_ONLY_STDIO)}.get(backend.transport, _ONLY_STDIO)
        for key in unused:
            if getattr(backend, key) != getattr(_DEFAULTS, key):
                yield self._at(key, f"backend '{name}': '{key}' has no effect with transport '{backend.transport}'", "leave it out")
        if needs == "command" and backend.enabled and is_a_whole_line(backend):
            what = f"backend '{name}': 'command' holds arguments, too, and no shell takes it apart"
            yield self._at("command", what, 'write the program alone, and args = ["…"] beside it')
        if backend.url is not None and needs == "url":
            yield from self._url(backend.url)
        if backend.proxy is not None and needs == "url" and not _is_proxy(backend.proxy):
            yield self._at("proxy", "this is no address of an HTTP proxy", 'write "http://host:port"')
        for problem in wrong_names(backend.inherit_env):
            yield self._at(f"inherit_env{problem.path}", problem.what, problem.instead)
        for variable in backend.env:
            if not variable or "=" in variable:
                yield self._at("env", "a variable's name must not be empty or hold '='", "correct the name")

    def _url(self, url: str) -> Iterator[Problem]:
        is_socket = self.backend.transport == "websocket"
        schemes, others = (_SOCKETS, _PLAIN) if is_socket else (_PLAIN, _SOCKETS)
        if url and not is_address(url, schemes):
            instead = f', or transport = "{"http" if is_socket else "websocket"}"' if is_address(url, others) else ""
            yield self._at("url", f"this is no {self.backend.transport} address", f'write "{schemes[0]}://host:port/path"{instead}')

    def headers(self) -> Iterator[Problem]:
        headers = self.backend.headers
        if headers and self.backend.transport in {"stdio", "inprocess"}:
            yield self._at("headers", f"backend '{self.backend.name}': headers require HTTP or WebSocket transport", "leave them out")
        lower = Counter(name.lower() for name in headers)
        for name, value in headers.items():
            key = dotted(("headers", name))
            if not is_header_name(name):
                yield self._at(key, "invalid header name", "use letters, digits and '-'")
            elif lower[name.lower()] > 1:
                yield self._at(key, f"duplicate header name '{name}'", "keep one of them; upper and lower case are the same")
            elif name.lower() in _OWN_HEADERS or name.lower().startswith(_SOCKETS_OWN):
                yield self._at(key, f"the gateway sets the header '{name}' itself", "leave it out")
            elif not is_header_value(value.reveal()):
                yield self._at(key, f"invalid value for header '{name}'", "use one line of Latin text without spaces around it")
        if self.backend.bearer_token is not None and not is_token(self.backend.bearer_token.reveal()):
            yield self._at("bearer_token", "a token must be visible ASCII without spaces, and not empty", "correct it, or leave it out")

    def tls(self) -> Iterator[Problem]:
        tls, url = self.backend.tls, self.backend.url or ""
        if tls is None:
            return
        if is_address(url, ("http", "ws")):
            yield self._at(
                "tls", "tls has no effect: the address is one without TLS", f'write "{url.partition(":")[0]}s://…", or leave tls out'
            )
        if tls.key is not None and tls.certificate is None:
            yield self._at("tls.key", "a key is of no use without its certificate", "add certificate, or leave key out")
        unreadable = unreadable_files(f"backends[{self.index}].tls", ca=tls.ca, certificate=tls.certificate, key=tls.key)
        yield from unreadable
        if not unreadable and (tls.key is None or tls.certificate is not None):
            yield from self._load(tls)

    def _load(self, tls: BackendTlsConfig) -> Iterator[Problem]:
        from ...tls.client import TlsFiles, client_context

        try:
            client_context(TlsFiles(tls.ca, tls.certificate, tls.key))
        except ValueError as error:
            yield self._at("tls", str(error), "name PEM files that belong together")

    def _at(self, key: str, what: str, instead: str) -> Problem:
        return Problem(None, None, f"backends[{self.index}].{key}", what, instead)


def _is_proxy(text: str) -> bool:
    """Whether a text is the address of an HTTP proxy: a host and a port, and nothing behind them."""
    if not is_address(text, ("http",)):
        return False
    parts = urlsplit(text)
    return parts.path in {"", "/"} and not parts.query and not parts.fragment
