"""Whether the ``[proxy.listen]`` table makes sense."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterator

from ...settings.ranges import impossible
from ..listen import ListenConfig, ListenTlsConfig
from ..problem import Problem
from .files import unreadable_files

__all__ = ["host_rules", "listen_rules", "listen_warnings"]

_DEFAULTS = ListenConfig()
_HOST_NAME = re.compile(r"(?:[\w-]+\.)*[\w-]*[^\W\d][\w-]*\.?")
"""Its last part has a letter; else it is an address with a mistake."""
_LONGEST_SOCKET = 107 if sys.platform == "linux" else 103
"""Bytes of a Unix socket's path; a limit of the system's."""


def listen_rules(listen: ListenConfig) -> Iterator[Problem]:
    """What is wrong with it."""
    yield from host_rules(listen.host)
    yield from _place(listen)
    yield from _numbers(listen)
    if not re.fullmatch(r"0?[0-7]{3}", listen.unix_mode):
        yield _at("unix_mode", "these are no permissions", 'write them in octal, such as "660"')
    if listen.session_keys is not None and (not listen.session_keys or "\0" in listen.session_keys):
        yield _at("session_keys", "this is no path of a folder", 'write session_keys = "/var/lib/sluicegate/sessions"')
    for index, address in enumerate(listen.trusted_proxies):
        if not _is_network(address):
            yield _at(
                f"trusted_proxies[{index}]", f"'{address}' is no address and no network", 'write "10.0.0.7", "10.0.0.0/8" or "fd00::/8"'
            )
    if listen.websocket and listen.server == "native":
        yield _at("server", "our own server does not speak WebSockets", 'leave server out, or write server = "hypercorn"')
    if listen.tls is not None:
        if listen.server == "native":
            yield _at("server", "our own server does not speak TLS", 'leave server out, or write server = "hypercorn"')
        yield from _tls(listen.tls)


def host_rules(host: str) -> Iterator[Problem]:
    """What is wrong with the address to bind."""
    if not host.strip():
        yield _at("host", "the host must not be empty", 'write "127.0.0.1", or "0.0.0.0" for every address')
    elif ("/" in host or not _is_network(host)) and not _HOST_NAME.fullmatch(host):
        yield _at(
            "host",
            f"'{host}' is no host name and no address",
            'write "127.0.0.1", or "0.0.0.0" for every address; the port is a key of its own',
        )


def listen_warnings(listen: ListenConfig) -> Iterator[Problem]:
    """What has no effect."""
    if listen.unix is None and listen.unix_mode != _DEFAULTS.unix_mode:
        yield _at("unix_mode", "unix_mode has no effect without unix", "leave it out")
    for key in ("session_keys", "session_ticket_seconds"):
        if not listen.session_tickets and getattr(listen, key) != getattr(_DEFAULTS, key):
            yield _at(key, f"{key} has no effect where session_tickets is false", "leave it out")
    if listen.max_connections_per_peer >= listen.max_connections > 0:
        yield _at(
            "max_connections_per_peer", "one address may have no more than max_connections anyway", "make it smaller, or leave it out"
        )
    for index, address in enumerate(listen.trusted_proxies):
        if listen.unix is None and _is_network(address) and ipaddress.ip_network(address, strict=False).prefixlen == 0:
            yield _at(
                f"trusted_proxies[{index}]", "whoever connects may say that it is somebody else", "name the addresses of your proxies"
            )


def _place(listen: ListenConfig) -> Iterator[Problem]:
    """TCP, a Unix socket, or what systemd opened: one of the three."""
    if not 0 <= listen.port <= 65535:
        yield _at("port", f"port must be 0-65535, got {listen.port}", "write 0 to let the system choose")
    if listen.unix is not None and listen.systemd:
        yield _at("systemd", "the sockets of systemd take the place of unix", "keep one of the two")
    for other, chosen in (("unix", listen.unix is not None), ("systemd", listen.systemd)):
        for key in ("host", "port"):
            if chosen and getattr(listen, key) != getattr(_DEFAULTS, key):
                yield _at(key, f"'{key}' has no effect: {other} takes its place", f"keep {key} or {other}")
    if listen.unix is not None:
        if not listen.unix or "\0" in listen.unix:
            yield _at("unix", "this is no path of a socket", 'write unix = "/run/sluicegate/gate.sock"')
        elif len(os.fsencode(listen.unix)) > _LONGEST_SOCKET:
            yield _at("unix", f"a socket's path has at most {_LONGEST_SOCKET} bytes", "choose a shorter one")


def _numbers(listen: ListenConfig) -> Iterator[Problem]:
    for key, range_, _number in impossible(listen):
        yield _at(key, f"{key} {range_.words}", range_.instead)


def _tls(tls: ListenTlsConfig) -> Iterator[Problem]:
    unreadable = unreadable_files("proxy.listen.tls", certificate=tls.certificate, key=tls.key, client_ca=tls.client_ca)
    yield from unreadable
    if unreadable:
        return
    from ...tls.server import BadCertificate, server_context

    try:
        server_context(tls.certificate, tls.key, None)
    except BadCertificate as error:
        yield _at("tls.certificate", str(error), "name a certificate and its key, in PEM form and without a password")
        return
    try:
        server_context(tls.certificate, tls.key, tls.client_ca)
    except BadCertificate as error:
        yield _at("tls.client_ca", str(error), "name a PEM file with the certificates of authorities")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _at(key: str, what: str, instead: str) -> Problem:
    return Problem(None, None, f"proxy.listen.{key}", what, instead)
