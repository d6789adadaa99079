"""What of a configuration is secret: for taking it out of what others write into the log."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from ..protocol.blot import Blot, blotting
from ..settings.secret import Secret
from .model import BackendConfig, Config

__all__ = ["ADDRESSES", "blots_of", "secrets_of"]

ADDRESSES = frozenset({"url", "proxy"})
"""Settings that may hold a password."""

_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104  nobody listens there for this


def blots_of(config: Config) -> Callable[[BackendConfig], Blot]:
    """What takes the secrets of a configuration out of a text: the same for all of its backends, another for one that came later."""
    shared, known = blotting(secrets_of(config)), {backend.name: backend for backend in config.backends}
    return lambda backend: shared if known.get(backend.name) is backend else blotting(secrets_of(config, backend))


def secrets_of(config: Config, *more: BackendConfig) -> frozenset[str]:
    """Tokens, headers, environments, passwords in addresses, and whatever was put in for ``${…}``; of backends that came later, too."""
    found = {part for value in config.inserted for part in _parts(value)}
    found.update(_marked(config))
    for backend in more:
        found.update(_marked(backend))
    for backend in (*config.backends, *more):
        shown = (*backend.headers.values(), *((backend.auth.value,) if backend.auth is not None and backend.auth.value else ()))
        found.update(part for value in shown for part in _credentials(value.reveal()))
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


def _marked(value: Any) -> Iterator[str]:
    """Every secret in settings, whatever table it is in: those that are of that type, and what addresses hold."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, tuple):
        for entry in value:
            yield from _marked(entry)
    elif isinstance(value, Mapping):
        yield from _marked(tuple(value.values()))
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            item = getattr(value, field.name)
            yield from _of_address(item) if field.name in ADDRESSES and isinstance(item, str) else _marked(item)


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
