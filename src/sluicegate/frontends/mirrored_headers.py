"""Headers that repeat what the body says (HTTP-15, P-43 … P-46): those between client and gateway route and judge by them, so they must be true.

Clients of the revisions with a handshake need not send them, all others have to.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from ..protocol.calls import NAMED_BY
from ..protocol.headers import METHOD, NAME
from ..protocol.messages import Message, Notification, Params, Raw, Request, read_text, text
from ..protocol.offers import TOOLS
from ..protocol.repeated_arguments import Argument, argument_at
from ..protocol.request_headers import PARAM, RequestHeaders
from ..protocol.task_ids import MEMBERS
from ..protocol.task_ids import METHODS as TASK_METHODS
from ..routing.catalogue import Catalogue
from ..routing.mirrored import mirrored_arguments

__all__ = ["contradiction"]

_METHOD, _NAME = METHOD.encode(), NAME.encode()
_ENCODED = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_WHOLE = re.compile(r"(-?)0*([0-9]+?)(?:\.0+)?")
_LONGEST_NUMBER = 64
"""Digits that are compared as a number; what is longer has to be the same text."""


def contradiction(headers: RequestHeaders, message: Message | None, catalogue: Catalogue, *, required: bool = False) -> str | None:
    """How headers that repeat the body contradict it, or None. ``message`` is None for a batch, which has no one method.

    ``required``: those that are missing contradict it, too.
    """
    method, params = (message.method, message.params) if isinstance(message, Request | Notification) else (None, {})
    if not _just_says(headers, _METHOD, method) and (
        wrong := _differs("Mcp-Method", headers.all(_METHOD), method, 'the "method" of the body', required=required)
    ):
        return wrong
    key = MEMBERS if method is not None and method.startswith("tasks/") else NAMED_BY.get(method or "")
    if key is not None:
        told = read_text(params, key)
        if not _just_says(headers, _NAME, told):
            needed = required and told is not None and (method in NAMED_BY or True in TASK_METHODS.get(method or "", ()))
            if wrong := _differs("Mcp-Name", headers.all(_NAME), told, f'"{key}" of the body', required=needed):
                return wrong
    if method == "tools/call" and (required or any(PARAM in name for name in headers.fields)):
        mirrored = mirrored_arguments(catalogue.whole or catalogue)
        if mirrored and (catalogue.whole is None or read_text(params, "name") in catalogue.table.listed[TOOLS.method]):
            return _params_differ(headers, params, mirrored, required=required)
    return None


def _just_says(headers: RequestHeaders, name: bytes, told: str | None) -> bool:
    """Whether a header comes once, and is that text as it stands, which nearly all are: then nothing of it need be read."""
    value = headers.fields.get(name)
    if value is None or told is None or headers.several:
        return False
    return value.decode("latin-1").strip(" \t") == told and not told.startswith("=?")


def _differs(header: str, values: Sequence[bytes], told: str | None, where: str, *, required: bool) -> str | None:
    """What is wrong with a header that repeats a text, or with its not being there."""
    if not values:
        return f"{header} is missing" if required else None
    value = _read(values)
    if isinstance(value, _Wrong):
        return f"{header} {value}"
    return None if value == told else f"{header} is not {where}"


class _Wrong(str):
    """What is wrong with a header, whatever the body says."""

    __slots__ = ()


def _read(values: Sequence[bytes]) -> str | _Wrong:
    """What a header says: as it stands, or encoded where it could not be sent otherwise (P-44)."""
    if len(values) > 1:
        return _Wrong("comes more than once")
    value = values[0].decode("latin-1").strip(" \t")
    encoded = _ENCODED.fullmatch(value)
    if encoded is None:
        return value
    try:
        plain = base64.b64decode(encoded[1], validate=True)
        if base64.b64encode(plain).decode() == encoded[1]:
            return plain.decode()
    except (binascii.Error, ValueError):
        pass
    return _Wrong("is no proper base64 of UTF-8 between =?base64? and ?=")


def _params_differ(headers: RequestHeaders, params: Params, mirrored: Mapping[str, Sequence[Argument]], *, required: bool) -> str | None:
    """What is wrong with the headers for arguments. Those that the tool does not know mean nothing."""
    for argument in mirrored.get(read_text(params, "name") or "", ()):
        values = headers.all(PARAM + argument.header.encode())
        header = f"Mcp-Param-{argument.header}"
        if not values:
            if required and not _is_absent(argument_at(params, argument.path)):
                return f"{header} is missing"
            continue
        value = _read(values)
        if isinstance(value, _Wrong):
            return f"{header} {value}"
        if not _agrees(value, argument_at(params, argument.path), argument):
            return f"{header} is not the argument '{'.'.join(argument.path)}' of the body"
    return None


def _is_absent(raw: Raw | None) -> bool:
    return raw is None or bytes(raw) == b"null"


def _agrees(value: str, raw: Raw | None, argument: Argument) -> bool:
    """Whether a header says what an argument is; who sends a header has to send the argument, too (null is none)."""
    if raw is None or _is_absent(raw):
        return False
    if bytes(raw)[:1] == b'"':
        return text(raw) == value
    said = bytes(raw).decode(errors="replace")
    if argument.type == "integer" and len(said) <= _LONGEST_NUMBER >= len(value):
        mine, theirs = _WHOLE.fullmatch(value), _WHOLE.fullmatch(said)
        if mine is not None and theirs is not None:
            return mine.groups() == theirs.groups()
    return said == value
