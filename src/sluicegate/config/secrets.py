"""What of a configuration is secret: for taking it out of what others write into the log."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from ..protocol.blot import Blot, blotting
from .model import BackendConfig, BearerAuth, Config

__all__ = ["blots_of", "secrets_of"]

_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104  nobody listens there for this


def blots_of(config: Config) -> Callable[[BackendConfig], Blot]:
    """What takes the secrets of a configuration out of a text: the same for all of its backends, another for one that came later."""
    shared, known = blotting(secrets_of(config)), {backend.name: backend for backend in config.backends}
    return lambda backend: shared if known.get(backend.name) is backend else blotting(secrets_of(config, backend))


def secrets_of(config: Config, *more: BackendConfig) -> frozenset[str]:
    """Tokens, headers, environments, passwords in addresses, and whatever was put in for ``${…}``; of backends that came later, too."""
    found = {part for value in config.inserted for part in _parts(value)}
    found.update(config.auth.tokens if isinstance(config.auth, BearerAuth) else ())
    for backend in (*config.backends, *more):
        found.update(_of_backend(backend))
    return frozenset(found) - _shown_by(config, *more)


def _shown_by(config: Config, *more: BackendConfig) -> frozenset[str]:
    """What a configuration is told by: with the name of a backend or the address of the gateway blotted out, nobody could read its log."""
    backends = (*config.backends, *more)
    names = {name for backend in backends for name in (backend.name, backend.namespace) if name}
    hosts = {host for backend in backends if backend.url is not None and (host := _host(backend.url))}
    return frozenset({config.proxy.name, config.proxy.listen.host, *_LOCAL, *names, *hosts})


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _of_backend(backend: BackendConfig) -> Iterator[str]:
    yield from backend.env.values()
    for value in backend.headers.values():
        yield value
        yield from _credentials(value)
    if backend.bearer_token is not None:
        yield backend.bearer_token
    for url in (backend.url, backend.proxy):
        if url is not None:
            yield from _of_address(url)


def _credentials(header: str) -> Iterator[str]:
    """What stands behind the name of a scheme, and the password in what is only encoded."""
    scheme, _, rest = header.partition(" ")
    yield rest
    if scheme.lower() == "basic":
        try:
            yield base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return


def _parts(value: str) -> Iterator[str]:
    """A value that was put in; of an address only what may be secret, because the rest is needed to understand a message."""
    if "://" in value:
        yield from _of_address(value)
    else:
        yield value


def _of_address(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        userinfo = parts.netloc.rpartition("@")[0]
    except ValueError:
        yield url
        return
    if userinfo:
        password = userinfo.partition(":")[2] or userinfo
        yield from (userinfo, password, unquote(password), base64.b64encode(unquote(userinfo).encode()).decode())
    yield from (value for _, value in parse_qsl(parts.query))
    yield parts.query
