"""The spellings of one URI, brought to a normal form, so that no filter is passed by writing a URI another way (RFC 3986, section 6).

Servers take their paths out of URIs in many ways: once decoded or twice, with the host or without it, a backslash for a slash. So beside the
normal form there are readings: what a backend may make of a URI. What steps out of its place (dot segments) has none, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

__all__ = ["has_no_host", "normal", "normal_glob", "readings", "served_by"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+|%")
"""Encoded characters, or a per cent sign that begins none: together with what follows it, decoded, it could become one."""
_IN_GLOB = re.compile(rf"\\.|\[[!^]?\]?(?:\\.|[^\]\\])*\]|{_ENCODED.pattern}", re.DOTALL)
"""The same in a glob, or what means single characters there: one behind a backslash, or a set, which stay as they are."""
_RESERVED = frozenset("!#$&'()*+,/:;=?@[]%")
"""What means something else when it is encoded; everything else is written as it is in the normal form (the blank, and other scripts, too)."""
_SLASHES = re.compile("/{2,}")
_PARAMETERS = re.compile(";[^/?]*")
_AUTHORITY = re.compile(r"//([^/?#]*)")
_WILD = re.compile(r"//[^/]*[*?\[{\\]")
_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443", "ftp": ":21"}
"""The port that goes without saying, where host names are what the authority holds; elsewhere it may be any identifier, with case."""
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?")
"""A host and its port. What has more colons is no authority, and stays what it is."""
_DEEPEST = 3
"""How many times over something may be encoded."""
_PART = re.compile(r"[/\\?#&=;:]")
_NEVER = re.compile(r"[\x00-\x1f\x7f]|%c[01]|%e0%[89]|%f0%8", re.IGNORECASE)
"""Controls, which some remove before they read; and UTF-8 that is longer than it need be, in which some read dots and slashes."""


def normal(uri: str) -> str:
    """The normal form of a URI; what is no URI comes out as something that nothing else comes out as."""
    return _arranged(_ENCODED.sub(lambda run: _decoded(run[0], ""), uri) if "%" in uri else uri)


def normal_glob(glob: str) -> str:
    """A glob for normal forms: it fits them as the given one fits what its author would have written."""
    text = _IN_GLOB.sub(lambda run: _decoded(run[0], "\\") if run[0].startswith("%") else run[0], glob)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    if _WILD.match(text, scheme.end()):
        return scheme[0].lower() + text[scheme.end() :]
    return _arranged(text)


def readings(uri: str) -> tuple[str, ...] | None:
    """The normal form, and what is read by those who decode more; None where a dot segment, at any depth, leads out of its place."""
    layers: dict[str, None] = {}
    layer = uri
    for _ in range(_DEEPEST + 1):
        if _NEVER.search(layer) or any(part.strip() in (".", "..") for part in _PART.split(layer)):
            return None
        layers[normal(layer)] = None
        if "%" not in layer and "\\" not in layer:
            return tuple(layers)
        opened = unquote(layer).replace("\\", "/")
        if opened == layer:
            return tuple(layers)
        layer = opened
    return None


def has_no_host(reading: str) -> bool:
    """Whether an authority should be a host and is none, as in ``https://h:443:443/``: some take the beginning of it for one."""
    scheme = _SCHEME.match(reading)
    if scheme is None or scheme[1] not in _PORTS:
        return False
    authority = _AUTHORITY.match(reading, scheme.end())
    return authority is not None and _HOST.fullmatch(authority[1]) is None


def served_by(reading: str) -> Iterator[str]:
    """A reading, and all that is the same to a server that leaves parts of it out.

    That is the fragment, parameters within the path, and a slash at its end; of a file also the host and the query. There
    a host may be taken for the beginning of the path, too.
    """
    bare = reading.partition("#")[0]
    if ";" in bare:
        bare = _arranged(_PARAMETERS.sub("", bare))
    if bare.startswith("file://"):
        host, _, path = bare[len("file://") :].partition("?")[0].partition("/")
        bare = f"file:///{path}"
        if host:
            yield from (whole := f"file:///{host}/{path}", whole.rstrip("/"))
    yield from dict.fromkeys((reading, bare, bare.rstrip("/"), bare.rstrip("/") + "/"))


def _decoded(run: str, escape: str) -> str:
    """Encoded characters, those that may be written out; special ones of globs behind the ``escape``."""
    if run == "%":
        return "%25"
    text = bytes.fromhex(run.replace("%", "")).decode(errors="surrogateescape")
    return "".join(_char(char, escape) for char in text)


def _char(char: str, escape: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is no UTF-8
        return f"%{ord(char) - 0xDC00:02X}"
    if char in _RESERVED or char < " " or char == "\x7f":
        return f"%{ord(char):02X}"
    return escape + char if char in "{}\\" else char


def _arranged(text: str) -> str:
    """Scheme and authority in their normal forms, and no doubled slashes; encoded characters stay as they are."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    name, rest = scheme[1].lower(), text[scheme.end() :]
    given = _AUTHORITY.match(rest)
    authority, rest = ("", rest) if given is None else (given[1], rest[given.end() :])
    path, mark, tail = _split(rest)
    path = _SLASHES.sub("/", path)
    authority = authority.rpartition("@")[2]
    if name == "file":
        authority = "" if authority.lower() == "localhost" else authority.lower()
        return f"file://{authority}/{path.removeprefix('/')}{mark}{tail}"
    if given is None:
        return f"{name}:{path}{mark}{tail}"
    if name in _PORTS:
        authority = authority.lower()
        if (of_host := _HOST.fullmatch(authority)) is not None and of_host[2] in (":", _PORTS[name]):
            authority = of_host[1]
        path = path or "/"
    return f"{name}://{authority}{path}{mark}{tail}"


def _split(rest: str) -> tuple[str, str, str]:
    """Path, the mark that ends it, and what is behind it."""
    end = re.search("[?#]", rest)
    return (rest, "", "") if end is None else (rest[: end.start()], end[0], rest[end.end() :])
