"""What a backend offers: its lists as it sent them, read just deep enough to route by."""

from __future__ import annotations

import attrs

from .messages import Params

__all__ = ["KINDS", "Hello", "Item", "ListKind", "Offer"]


@attrs.frozen
class ListKind:
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


@attrs.frozen
class Item:
    """One listed tool, resource, template or prompt under the backend's own name."""

    key: str
    raw: Params


@attrs.frozen
class Hello:
    """What a backend said in its answer to ``initialize``."""

    version: str
    capabilities: Params
    server_info: Params
    instructions: str = ""


@attrs.frozen
class Offer:
    """All that one live backend offers. ``lists`` has an entry for every kind, empty where the backend declares none."""

    hello: Hello
    lists: dict[ListKind, tuple[Item, ...]]

    def has(self, kind: ListKind, key: str) -> bool:
        """Whether the backend lists it."""
        return any(item.key == key for item in self.lists[kind])
