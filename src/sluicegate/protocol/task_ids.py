"""Ids of tasks as clients know them: they lead to the backend that runs the task, and only for whom it runs (P-132, P-133).

``tag.backend.id``: both names percent-encoded, behind a tag that only the holder of the key can make, of them and of the principal, and the key's name. So
an id leads back without anything being kept, in another process with the same keys, too; and what another principal learns or makes up leads nowhere. Where
nobody has to say who he is, who knows the id may use it: nobody can guess one.

The id in there is the backend's own one behind the life of the session in which it was given, ``life-id``: one that counts its tasks begins
again in its next session. The life is empty where there are no sessions.
"""

from __future__ import annotations

import base64
import hmac
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from urllib.parse import quote, unquote

import attrs
import msgspec

from .key_ring import KeyRing, OwnKey
from .members import Malformed, Params, Raw, decode_object, read_text
from .messages import EMPTY, encode
from .sealing_key import KEY_NAME, SealingKey
from .spelled import may_name

__all__ = [
    "CREATES",
    "MEMBERS",
    "METHODS",
    "RELATED",
    "STATUS",
    "LocalTask",
    "Renaming",
    "TaskIds",
    "may_name_a_task",
    "related_task",
    "with_related_task",
    "with_task_id",
]

METHODS: Mapping[str, frozenset[bool]] = MappingProxyType(
    {
        "tasks/get": frozenset({False, True}),
        "tasks/cancel": frozenset({False, True}),
        "tasks/result": frozenset({False}),
        "tasks/list": frozenset({False}),
        "tasks/update": frozenset({True}),
    }
)
"""What can be asked about tasks, and whether in revisions with a handshake (False), without (True), or in both."""
CREATES = "tools/call"
"""The one request that can become a task."""
STATUS = "notifications/tasks/status"
RELATED = "io.modelcontextprotocol/related-task"
"""The member of ``_meta`` that says which task something is about."""
_RELATED = RELATED.encode()
MEMBERS = "taskId"

_USE = "task id"
_TAG_BYTES = 16
_PROCESS_BYTES = 4
_MOST_DERIVED = 64
MOST_MADE = 4096
"""Ids of which it is remembered with which key they were made."""
_NAMES = 2
"""The backend's, and the task's own."""
_LONGEST = 4096
"""Characters of an id; what has more leads nowhere."""

Renaming = Callable[[str], str]
"""From an id of one side to that of the other."""


class LocalTask(msgspec.Struct, frozen=True):
    """A task of one backend."""

    life: str
    """Of the session in which its id was given; without a hyphen."""
    id: str
    """The backend's own."""

    @classmethod
    def read(cls, text: str) -> LocalTask:
        """From what an id of ours leads to."""
        life, hyphen, local = text.partition("-")
        return cls(life, local) if hyphen else cls("", text)

    def __str__(self) -> str:
        return f"{self.life}-{self.id}"


@attrs.define(eq=False, repr=False)
class TaskIds:
    """Makes them, and reads them."""

    secret: Callable[[int], bytes] = attrs.field(repr=False)
    """That many unguessable bytes."""
    keys: KeyRing = attrs.field(default=attrs.Factory(lambda self: OwnKey(self.secret), takes_self=True), repr=False)
    _derived: dict[str, bytes] = attrs.field(factory=dict, init=False, repr=False)
    """By the name of a key, the one for ids."""
    _made_with: OrderedDict[str, SealingKey] = attrs.field(factory=OrderedDict, init=False, repr=False)
    """By what an id says, the key with which it was made: it stays the same when there is another key."""
    _process: str = attrs.field(default="", init=False, repr=False)
    _lives: Iterator[int] = attrs.field(factory=lambda: count(1), init=False, repr=False)

    def begin_life(self) -> str:
        """The name of one more life, which no other has that ids are made for, in no process."""
        self._process = self._process or self.secret(_PROCESS_BYTES).hex()
        return f"{self._process}_{next(self._lives)}"

    async def open(self) -> None:
        """Have the keys, before the first id is made."""
        await self.keys.open()

    async def look_at(self, given: str) -> None:
        """Have the key with which an id was made, if there is one."""
        await self.keys.look_for(given.partition(".")[0][-KEY_NAME:])

    def out(self, backend: str, owner: str, local: str) -> str:
        """The id that a client is given, who acts for the principal with that key; the same each time."""
        names = _written(backend), _written(local)
        what = ".".join((_written(owner), *names))
        return ".".join((self._tag(self._key_for(what), what), *names))

    def back(self, given: str, owner: str) -> tuple[str, str] | None:
        """The backend and its own id, where that principal was given this one."""
        tag, *names = given.split(".", 2) if len(given) <= _LONGEST and given.isascii() else [""]
        key = self.keys.find(tag[-KEY_NAME:])
        if key is None or len(names) != _NAMES or not hmac.compare_digest(self._tag(key, ".".join((_written(owner), *names))), tag):
            return None
        backend, local = (unquote(name, errors="surrogatepass") for name in names)
        return backend, local

    def _key_for(self, what: str) -> SealingKey:
        known = self._made_with.get(what)
        key = known if known is not None and self.keys.find(known.id) is not None else self.keys.newest()
        self._made_with[what] = key
        self._made_with.move_to_end(what)
        if len(self._made_with) > MOST_MADE:
            self._made_with.popitem(last=False)
        return key

    def _tag(self, key: SealingKey, written: str) -> str:
        secret = self._derived.get(key.id)
        if secret is None:
            if len(self._derived) >= _MOST_DERIVED:
                self._derived.clear()
            secret = self._derived[key.id] = key.derived(_USE)
        digest = hmac.digest(secret, written.encode(), sha256)
        return base64.urlsafe_b64encode(digest[:_TAG_BYTES]).rstrip(b"=").decode() + key.id


def _written(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass").replace(".", "%2E")


def with_task_id(members: Params, renaming: Renaming) -> Params:
    """A task with its id mapped; what has none stays as it is."""
    local = read_text(members, MEMBERS)
    return members if local is None else members | {MEMBERS: Raw(encode(renaming(local)))}


def may_name_a_task(text: bytes) -> bool:
    """Whether a message, or a part of one, may say in its ``_meta`` that it is about a task."""
    return may_name(text, _RELATED)


def related_task(params: Params) -> str | None:
    """The task that something is about, as its ``_meta`` says."""
    meta = params.get("_meta")
    if meta is None or not may_name(bytes(meta), _RELATED):
        return None
    members = decode_object(meta)
    about = Malformed(0, "") if isinstance(members, Malformed) else decode_object(members.get(RELATED, EMPTY))
    return None if isinstance(about, Malformed) else read_text(about, MEMBERS)


def with_related_task(params: Params, renaming: Renaming) -> Params:
    """What is about a task, with its id in ``_meta`` mapped."""
    local = related_task(params)
    if local is None:
        return params
    meta = decode_object(params["_meta"])
    assert not isinstance(meta, Malformed)
    about = decode_object(meta[RELATED])
    assert not isinstance(about, Malformed)
    return params | {"_meta": Raw(encode(meta | {RELATED: Raw(encode(with_task_id(about, renaming)))}))}
