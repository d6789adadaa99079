"""Headers of a request that arguments of tools are made of (INJ-1): of all that it has only those which the configuration names are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import attrs

from ..protocol.principal import Principal
from ..protocol.request_headers import RequestHeaders
from ..protocol.template_places import LONGEST_HEADER

__all__ = ["with_headers"]


def with_headers(principal: Principal, headers: RequestHeaders, named: Collection[bytes]) -> Principal:
    """Who sends a request, with what it says in these headers (names in lower case)."""
    return principal if not named else attrs.evolve(principal, headers=tuple(_said(headers, named)))


def _said(headers: RequestHeaders, named: Collection[bytes]) -> Iterator[tuple[str, str]]:
    """One that comes twice says nothing: a proxy may have added its own to the client's, and nobody knows which is which."""
    for name in named:
        values = headers.all(name)
        if len(values) == 1 and len(values[0]) <= LONGEST_HEADER:
            try:
                yield name.decode(), values[0].decode().strip()
            except UnicodeDecodeError:
                continue
