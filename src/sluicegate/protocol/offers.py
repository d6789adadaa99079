"""What a backend offers: its lists as it sent them, read just deep enough to route by."""

from __future__ import annotations

import attrs
import msgspec

from .eras import MODERN
from .extensions import TASKS, declared_by
from .messages import EMPTY, Malformed, Params, Raw, decode_object

__all__ = ["KINDS", "Flaw", "Hello", "Item", "ListKind", "Listed", "Offer", "makes_tasks"]


class ListKind(msgspec.Struct, frozen=True):
    """One of the four lists."""

    name: str
    """What one of them is called in messages: ``tool``, ``resource``, ``prompt``, ``resource template``."""
    method: str
    member: str
    """The member of the result that holds the list."""
    key: str
    """The member of an item that identifies it."""
    capability: str
    """Under which capability a server declares it."""
    changed: str
    """The notification that says the list changed."""


TOOLS = ListKind("tool", "tools/list", "tools", "name", "tools", "notifications/tools/list_changed")
RESOURCES = ListKind("resource", "resources/list", "resources", "uri", "resources", "notifications/resources/list_changed")
TEMPLATES = ListKind(
    "resource template", "resources/templates/list", "resourceTemplates", "uriTemplate", "resources", "notifications/resources/list_changed"
)
PROMPTS = ListKind("prompt", "prompts/list", "prompts", "name", "prompts", "notifications/prompts/list_changed")
KINDS = (TOOLS, RESOURCES, TEMPLATES, PROMPTS)


class Item(msgspec.Struct, frozen=True):
    """One listed tool, resource, template or prompt under the backend's own name."""

    key: str
    raw: Params


@attrs.frozen(order=True)
class Flaw:
    """What is wrong with something that a backend lists, and what became of it."""

    kind: str
    """``tool`` and so on."""
    name: str
    """The backend's own; empty where there is none."""
    what: str


class Listed(msgspec.Struct, frozen=True):
    """One list of a backend."""

    items: tuple[Item, ...] = ()
    flaws: tuple[Flaw, ...] = ()


class Hello(msgspec.Struct, frozen=True):
    """What a backend said in its answer to ``initialize``."""

    version: str
    capabilities: Params
    server_info: Params
    instructions: str = ""


def _names(offer: Offer) -> dict[str, frozenset[str]]:
    return {kind.capability: frozenset(item.key for item in offer.lists.get(kind, ())) for kind in (TOOLS, RESOURCES, PROMPTS)}


def _beginnings(offer: Offer) -> tuple[str, ...]:
    """What URIs of its templates begin with, up to the first part that varies."""
    return tuple(item.key.partition("{")[0] for item in offer.lists.get(TEMPLATES, ()))


def _harmless(offer: Offer) -> frozenset[str]:
    """The tools that may be run twice. ``destructiveHint`` does not matter: what an idempotent one has destroyed it cannot destroy again."""
    return _annotated(offer, "readOnlyHint", "idempotentHint")


def _read_only(offer: Offer) -> frozenset[str]:
    return _annotated(offer, "readOnlyHint")


def _annotated(offer: Offer, *hints: str) -> frozenset[str]:
    """The tools that say one of these of themselves; one that is listed twice only if both entries do."""
    tools = offer.lists.get(TOOLS, ())
    return frozenset(item.key for item in tools) - {item.key for item in tools if not _says(item.raw.get("annotations"), hints)}


def _says(annotations: Raw | None, hints: tuple[str, ...]) -> bool:
    said = {} if annotations is None else decode_object(annotations)
    return not isinstance(said, Malformed) and any(bytes(said.get(hint, b"")) == b"true" for hint in hints)


def makes_tasks(hello: Hello) -> bool:
    """Whether calls of a backend's tools can become tasks, in the way of its own revision."""
    declared = hello.capabilities
    if hello.version in MODERN:
        return TASKS in declared_by(declared, "extensions")
    found: Params = declared
    for name in ("tasks", "requests", "tools"):
        members = decode_object(found.get(name, EMPTY))
        found = {} if isinstance(members, Malformed) else members
    return "call" in found


@attrs.frozen(repr=False)
class Offer:
    """All that one live backend offers. ``lists`` has an entry for every kind, empty where the backend declares none."""

    hello: Hello
    lists: dict[ListKind, tuple[Item, ...]]
    flaws: dict[ListKind, tuple[Flaw, ...]] = attrs.field(factory=dict)
    """What was wrong with the lists as they came."""
    harmless_tools: frozenset[str] = attrs.field(init=False, eq=False, default=attrs.Factory(_harmless, takes_self=True))
    """Tools whose annotations say that they are read-only or idempotent."""
    read_only_tools: frozenset[str] = attrs.field(init=False, eq=False, default=attrs.Factory(_read_only, takes_self=True))
    """Those that say that they are read-only."""
    makes_tasks: bool = attrs.field(init=False, eq=False, default=attrs.Factory(lambda self: makes_tasks(self.hello), takes_self=True))
    """Whether calls of its tools can become tasks."""
    _names: dict[str, frozenset[str]] = attrs.field(init=False, eq=False, default=attrs.Factory(_names, takes_self=True))
    _beginnings: tuple[str, ...] = attrs.field(init=False, eq=False, default=attrs.Factory(_beginnings, takes_self=True))

    def with_list(self, kind: ListKind, listed: Listed) -> Offer:
        """The same with one list read anew."""
        return attrs.evolve(self, lists=self.lists | {kind: listed.items}, flaws=self.flaws | {kind: listed.flaws})

    def has(self, kind: ListKind, key: str) -> bool:
        """Whether the backend lists it."""
        return any(item.key == key for item in self.lists[kind])

    def covers(self, method: str, local: str) -> bool:
        """Whether what a method wants to use is listed; of a URI also whether it begins as one of the templates does."""
        capability = method.partition("/")[0]
        return local in self._names.get(capability, ()) or (capability == "resources" and local.startswith(self._beginnings))
