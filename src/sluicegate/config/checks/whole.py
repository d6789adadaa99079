"""Whether a configuration makes sense (CFG-V1 … CFG-V26, for what is built), wherever it comes from.

Nothing is started, resolved or connected here. Every rule says what to write instead, and no message shows a secret.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator

from ...protocol.addresses import is_address, is_loopback
from ...protocol.names import is_portable
from ...settings.ranges import impossible
from ..model import Config
from ..problem import Problem
from .audited import audit_rules
from .backends import backend_rules, backend_warnings
from .callers import caller_rules, caller_warnings
from .composed import composite_rules
from .listen import listen_rules, listen_warnings
from .searched import search_rules, search_warnings
from .stores import store_rules, store_warnings
from .supplied import nameless_callers

__all__ = ["file_rules", "is_host", "problems", "refuse_open_bind", "rules", "warnings"]

_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+", re.IGNORECASE)
_HOST = re.compile(r"\*|[^/\s:\[\]]+(?::(?:\d+|\*))?|\[[0-9a-f:.]+\](?::(?:\d+|\*))?", re.IGNORECASE)


def problems(config: Config) -> list[Problem]:
    """Everything that keeps a gateway from running with it, what is only planned included."""
    return [*rules(config), *config.planned]


def rules(config: Config) -> list[Problem]:
    """What is wrong, whatever is built."""
    proxy = config.proxy
    found = [*_proxy(config), *listen_rules(proxy.listen)]
    return [
        *found,
        *_limits(config),
        *_lists(config),
        *caller_rules(config),
        *store_rules(config),
        *backend_rules(config),
        *composite_rules(config),
        *search_rules(config),
        *audit_rules(config.observability.audit),
    ]


def file_rules(config: Config) -> list[Problem]:
    """What is wrong with a file. One that names no backend is a mistake; a program may open a gateway first and add them later."""
    found = [*rules(config), *nameless_callers(config)]
    if not config.backends:
        instead = "add a [[backends]] table, or import a client's .mcp.json that has servers"
        found.append(_at("backends", "at least one backend is required", instead))
    return found


def warnings(config: Config, wall: Callable[[], float] = time.time) -> list[Problem]:
    """What can run but is probably not meant; by the time of day tokens may have ended."""
    found = [*listen_warnings(config.proxy.listen), *store_warnings(config), *backend_warnings(config)]
    return [*found, *search_warnings(config), *caller_warnings(config, wall())]


def is_host(text: str) -> bool:
    """Whether a text can stand in ``security.allowed_hosts``."""
    return _HOST.fullmatch(text) is not None


def refuse_open_bind(config: Config, insecure: bool = False, *, hosts: Iterable[str] | None = None) -> Problem | None:
    """Whether anybody on the network could call without a token. Only for a gateway that listens; a stdio one does not.

    ``hosts`` are the addresses of sockets that systemd opened, which only ``run`` can see; otherwise the configured one is looked at. A
    Unix socket has none.
    """
    listen = config.proxy.listen
    if hosts is None:
        hosts = [] if listen.unix is not None or listen.systemd else [listen.host]
    far = [host for host in hosts if not is_loopback(host)]
    if insecure or config.auth is not None or not far or _asks_for_certificates(config):
        return None
    what = f"the address '{far[0]}' can be reached by other machines, and there is no [auth]"
    key, bind = ("systemd", "let the .socket unit listen on 127.0.0.1") if listen.systemd else ("host", "bind 127.0.0.1")
    return _at(f"proxy.listen.{key}", what, f"add [auth] with tokens, {bind}, or run with --insecure-no-auth if anybody may call")


def _asks_for_certificates(config: Config) -> bool:
    """Whether only clients with a certificate get in, which is a way to say who they are."""
    tls = config.proxy.listen.tls
    return tls is not None and tls.client_ca is not None


def _proxy(config: Config) -> Iterator[Problem]:
    proxy = config.proxy
    if not proxy.name.strip():
        yield _at("proxy.name", "the name must not be empty", "write the name that clients are to see")
    if not re.fullmatch(r"[!-~]{1,8}", proxy.separator):
        yield _at("proxy.separator", "the separator must be one to eight visible ASCII characters", 'write "_"')
    elif proxy.tool_names == "portable" and not is_portable(proxy.separator):
        yield _at("proxy.separator", f"'{proxy.separator}' cannot stand in a portable name", 'write "_", or tool_names = "keep"')
    if proxy.max_tool_name and proxy.max_tool_name < 24:
        yield _at(
            "proxy.max_tool_name",
            f"a name of {proxy.max_tool_name} characters has no room for a hash",
            "write 24 or more, or 0 for no limit",
        )
    if proxy.public_url is not None and (wrong := _public_url(proxy.public_url)):
        yield _at("proxy.public_url", *wrong)
    for key, range_, _number in impossible(proxy):
        yield _at(f"proxy.{key}", f"{key} {range_.words}", range_.instead)


def _public_url(url: str) -> tuple[str, str] | None:
    """What is wrong with it, and what to write; it is said to strangers, and other addresses are made of it."""
    if not is_address(url) or not url.isascii() or re.search(r'[?#@"\\]', url):
        return "it is no http address without user, query and fragment", 'write "https://gate.example"'
    if url.rstrip("/").endswith("/mcp"):
        return "the path of the MCP endpoint is added to it", f'write "{url.rstrip("/").removesuffix("/mcp")}"'
    return None


def _limits(config: Config) -> Iterator[Problem]:
    for key, range_, _number in impossible(config.security):
        yield _at(f"security.{key}", f"{key} {range_.words}", range_.instead)


def _lists(config: Config) -> Iterator[Problem]:
    for index, host in enumerate(config.security.allowed_hosts):
        if not is_host(host):
            yield _at(
                f"security.allowed_hosts[{index}]",
                f"'{host}' is no value of a Host header",
                'write the name alone, or with a port: "gate.example:8080"',
            )
    for index, origin in enumerate(config.security.allowed_origins):
        if not _ORIGIN.fullmatch(origin):
            yield _at(
                f"security.allowed_origins[{index}]",
                f"'{origin}' is no origin",
                'write scheme and host without a path: "https://app.example"',
            )


def _at(path: str, what: str, instead: str) -> Problem:
    return Problem(None, None, path, what, instead)
