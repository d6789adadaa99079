"""How a backend's URIs look to clients, and back: legal under RFC 3986 whatever the namespace is, and told apart without a list (P-89).

A namespace becomes a *token*, which may stand in a scheme. Then, for the namespace ``b``::

    file:///README.md       b+file:///README.md           the token is in front of the scheme
    ui://w/view.html        ui://w/view.html#b            clients act on the scheme, so it stays, and the token is the fragment
    https://x.example/#top  https://x.example/#b+top
    my_scheme://x           b+:my_scheme://x              what has no legal scheme follows a colon
    file:///a b             b++:file:///a%20b             what a client would refuse or normalise is percent-encoded as a whole

Clients parse URIs and write them anew (pydantic's ``AnyUrl``, JavaScript's ``URL``): schemes in small letters, no dot segments, no empty
port, hosts of ``http`` in small letters. So tokens have no capitals, schemes of our own make are *not special* in the WHATWG's sense, which
leaves the rest as it is, and what might still change goes the last way.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import attrs

__all__ = ["KEPT", "Uris"]

KEPT = frozenset(("data", "http", "https", "ui"))
"""Schemes that clients act on: they show ``ui:`` as an application, may fetch ``http:`` and ``https:`` themselves, and have all of ``data:``."""

_SCHEME = r"[a-z][a-z0-9+.-]*"
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_STEADY = re.compile(
    rf"{_SCHEME}:"
    r"(?://(?:(?:[A-Za-z0-9._~-]+@)?[A-Za-z0-9._~!$&'()*+,;=-]+(?::[1-9][0-9]{0,3})?)?(?=[/?#]|\Z)|(?!//))"
    rf"(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)
"""A URI that clients send back as they got it, with a token before its scheme; a part of what RFC 3986 allows."""
_DOTS = re.compile(r"(?:^|[/:])(?:\.|%2[Ee]){1,2}(?:[/?#]|\Z)")
"""A segment that means this level or the one above."""
_PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}"
_HOST = r"(?!(?:[^/]*\.)?xn--)(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*"
_WEB = re.compile(rf"(?:http://{_HOST}(?::(?!80/)(?:{_PORT}))?|https://{_HOST}(?::(?!443/)(?:{_PORT}))?)/[^']*")
"""What normalising leaves alone also where the scheme stays: a name in small letters that is no number, and a path."""
_OPENING = re.compile(rf"{_SCHEME}:|{_SCHEME}(?={{)|(?={{)")
"""How a template begins whose expansions have a legal scheme: with the scheme, or with an expression that makes up (the rest of) it."""
_OPAQUE = re.compile(rf"{_PCHAR}(?:{_PCHAR}|[/?])*")
"""What nobody looks into after a scheme and a colon."""
_SAFE = ":@!$&'()*+,;=?"


def _token(namespace: str) -> str:
    """The namespace in the letters of a scheme: ``_`` is ``.-``, ``.`` is ``..``, a capital is a dot and the small letter.

    What then begins with no letter gets ``x.0`` before it. No two namespaces have one token.
    """
    written = "".join(_LETTERS.get(char) or (f".{char.lower()}" if char.isupper() else char) for char in namespace)
    return written if not written or written[0].isalpha() else f"x.0{written}"


_LETTERS = {"_": ".-", ".": ".."}


@attrs.frozen(repr=False)
class Uris:
    """The URIs of one backend. An empty namespace changes nothing."""

    namespace: str
    token: str = attrs.field(init=False, default=attrs.Factory(lambda self: _token(self.namespace), takes_self=True))

    def out(self, local: str) -> str:
        """The URI that clients see; `back` gives the backend's again."""
        token = self.token
        if not token:
            return local
        if _STEADY.fullmatch(local) is None or _DOTS.search(local) is not None:
            return self._wrapped(local)
        return self._marked(local) if _keeps_scheme(local) else f"{token}+{local}"

    def template_out(self, local: str) -> str:
        """The template whose every expansion leads to the backend, with the URI that its own template expands to."""
        token = self.token
        if not token:
            return local
        if local.partition(":")[0] in KEPT and "{#" not in local and local.count("#") < 2:
            return self._marked(local)
        return f"{token}+{local}" if _OPENING.match(local) is not None else f"{token}+:{local}"

    def back(self, full: str) -> str | None:
        """The backend's own URI or template, or None if this is none of this backend's."""
        token = self.token
        if not token:
            return full or None
        size = len(token)
        if full[size : size + 1] == "+" and full[:size].lower() == token:
            return _unwrapped(full[size + 1 :]) or None
        head, mark, fragment = full.partition("#")
        if not mark or head.partition(":")[0].lower() not in KEPT:
            return None
        if fragment == token:
            return head
        return f"{head}#{fragment[size + 1 :]}" if fragment.startswith(f"{token}+") else None

    def _marked(self, local: str) -> str:
        head, mark, fragment = local.partition("#")
        return f"{head}#{self.token}+{fragment}" if mark else f"{head}#{self.token}"

    def _wrapped(self, local: str) -> str:
        if _OPAQUE.fullmatch(local) is not None and _DOTS.search(local) is None:
            return f"{self.token}+:{local}"
        hierarchy = "" if local.startswith("/") or _DOTS.search(local) is not None else "/"
        return f"{self.token}++:{quote(local, safe=_SAFE + hierarchy, errors='surrogatepass')}"


def _keeps_scheme(local: str) -> bool:
    scheme = local.partition(":")[0]
    return scheme in KEPT and (not scheme.startswith("http") or _WEB.fullmatch(local) is not None)


def _unwrapped(rest: str) -> str:
    if rest.startswith("+:"):
        try:
            return unquote(rest[2:], errors="surrogatepass")
        except UnicodeDecodeError:
            return ""
    return rest.removeprefix(":")
