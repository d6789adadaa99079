"""Values in Redis or Valkey, which several gateways on any machines share.

One task has the pool of connections, and asks now and then whether the server is there. Whoever asks waits for a quarter of a second at most.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio

from ...protocol.addresses import public_part
from ...protocol.key_values import PATIENCE_SECONDS
from ...telling.loggers import Seldom, get_logger
from ..blocking import RunBlocking
from ..virtual import refuse_under_virtual_time
from .presence import Presence

if TYPE_CHECKING:
    import coredis

__all__ = ["RedisValues"]

log = get_logger("sluicegate.stores")

T = TypeVar("T")

CONNECTIONS = 16
TICK_SECONDS = 1.0
CONNECT_SECONDS = 2.0
LONGEST_PAUSE = 2.0
COUNT_SECONDS = 60.0
SLICE, MOST_SLICES = 500, 2000
"""Keys that are counted in one go, and how often."""
MOST_SPACES = 1024
_SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_SPECIAL = re.compile(rb"([*?\[\]\\^-])")
"""In a pattern of ``SCAN``."""


@attrs.define(eq=False)
class RedisValues:
    """Implements `sluicegate.protocol.key_values.KeyValues`; its library is loaded when it runs."""

    url: str = attrs.field(repr=False)
    prefix: bytes
    run_blocking: RunBlocking
    _presence: Presence = attrs.field(init=False)
    _client: coredis.Redis[bytes] | None = attrs.field(default=None, init=False)
    _sizes: dict[bytes, tuple[int, int]] = attrs.field(factory=dict, init=False)
    _asked: set[bytes] = attrs.field(factory=set, init=False)
    """Spaces that somebody wants to know the size of."""
    _refused: Seldom = attrs.field(factory=Seldom, init=False)

    def __attrs_post_init__(self) -> None:
        self._presence = Presence(public_part(self.url), LONGEST_PAUSE)

    @property
    def is_there(self) -> bool:
        """Whether it makes sense to ask it."""
        return self._presence.is_there

    # -- what is asked

    async def read(self, space: bytes, keys: Sequence[bytes]) -> Sequence[bytes | None] | None:
        """The values under these keys."""
        names = [self._name(space, key) for key in keys]
        return await self._do(lambda client: client.mget(names))

    async def write(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bool:
        """Keep a value."""
        name = self._name(space, key)
        return bool(await self._do(lambda client: client.set(name, value, px=_milliseconds(seconds))))

    async def add(self, space: bytes, key: bytes, value: bytes, seconds: float) -> bytes | None:
        """Keep a value unless there is one; the one that is there then."""
        from coredis.tokens import PureToken

        name = self._name(space, key)
        if await self._do(lambda client: client.set(name, value, condition=PureToken.NX, px=_milliseconds(seconds))):
            return value
        return await self._do(lambda client: client.get(name))

    async def swap(self, space: bytes, key: bytes, old: bytes, new: bytes, seconds: float) -> bool:
        """Keep a value in the place of another one, if that is there."""
        arguments = (old, new, _milliseconds(seconds))
        return await self._do(lambda client: client.eval(_SWAP, [self._name(space, key)], arguments)) == 1

    async def delete(self, space: bytes, key: bytes) -> bool:
        """Keep it no longer."""
        return await self._do(lambda client: client.delete([self._name(space, key)])) is not None

    def size(self, space: bytes, most: int, most_bytes: int) -> tuple[int, int]:
        """How many it has, as was counted last; how many there may be is for the server to say."""
        del most, most_bytes
        if len(self._asked) < MOST_SPACES:
            self._asked.add(space)
        return self._sizes.get(space, (0, 0))

    def _name(self, space: bytes, key: bytes) -> bytes:
        return b"%b%b:%b" % (self.prefix, space.hex().encode(), key.hex().encode())

    async def _do(self, command: Callable[[coredis.Redis[bytes]], Awaitable[T]]) -> T | None:
        client = self._client
        if client is None or not self._presence.is_there:
            await trio.lowlevel.checkpoint()
            return None
        return await self._bounded(client, command)

    async def _bounded(self, client: coredis.Redis[bytes], command: Callable[[coredis.Redis[bytes]], Awaitable[T]]) -> T | None:
        from coredis.exceptions import BusyLoadingError, RedisError, ResponseError

        began = trio.current_time()
        try:
            with trio.move_on_after(PATIENCE_SECONDS):
                return await command(client)
            self._presence.lost(f"no answer for {PATIENCE_SECONDS:g} s")
        except trio.Cancelled:
            self._presence.left(began)
            raise
        except ResponseError as error:
            if isinstance(error, BusyLoadingError):
                self._presence.lost(str(error))
            elif self._refused.turn("refused", trio.current_time()) is not None:
                log.warning("a store refuses what it is asked", store=self._presence.place, error=str(error))
        except (RedisError, OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._presence.lost(str(error))
        return None

    # -- the one task

    async def run(self) -> None:
        """Have the connections, and look whether the server is there, until cancelled."""
        refuse_under_virtual_time("connections to Redis", "Outside(open_values=…), which sluicegate.testing.open_outside has")
        coredis = await self.run_blocking(_load)
        retry = coredis.retry.NoRetryPolicy()
        while True:
            client = coredis.Redis.from_url(
                self.url, max_connections=CONNECTIONS, connect_timeout=CONNECT_SECONDS, retry_policy=retry, decode_components=True
            )
            try:
                async with client:
                    self._client = client
                    await self._keep_in_touch(client)
            except* (coredis.exceptions.RedisError, OSError) as group:
                self._presence.lost(str(group.exceptions[0]))
            finally:
                self._client, self._presence.is_there = None, False
            await trio.sleep(self._presence.pause())

    async def _keep_in_touch(self, client: coredis.Redis[bytes]) -> None:
        count_at = 0.0
        while True:
            if await self._bounded(client, lambda client: client.ping()) is None:
                await trio.sleep(self._presence.pause())
                continue
            if not self._presence.is_there:
                self._presence.back()
            if self._asked and trio.current_time() >= count_at:
                await self._count()
                count_at = trio.current_time() + COUNT_SECONDS
            self._presence.news = trio.Event()
            if self._presence.is_there:
                with trio.move_on_after(TICK_SECONDS):
                    await self._presence.news.wait()

    async def _count(self) -> None:
        asked, self._asked = self._asked, set()
        self._sizes = {}
        for space in asked:
            counted = await self._counted(_SPECIAL.sub(rb"\\\1", self._name(space, b"")) + b"?*")
            if counted is None:
                return
            self._sizes[space] = counted

    async def _counted(self, pattern: bytes) -> tuple[int, int] | None:
        cursor, count, room = 0, 0, 0
        for _ in range(MOST_SLICES):
            found = await self._do(partial(_slice, cursor=cursor, pattern=pattern))
            if found is None:
                return None
            cursor, names = found
            count, room = count + len(names), room + sum(await self._do(partial(_lengths, names=names)) or ())
            if cursor == 0:
                break
        return count, room


async def _slice(client: coredis.Redis[bytes], *, cursor: int, pattern: bytes) -> tuple[int, tuple[bytes, ...]]:
    return await client.scan(cursor, match=pattern, count=SLICE)


async def _lengths(client: coredis.Redis[bytes], *, names: Sequence[bytes]) -> Sequence[int]:
    async with client.pipeline(transaction=False) as pipe:
        lengths = [pipe.strlen(name) for name in names]
    return [await length for length in lengths]


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _load() -> ModuleType:
    import_module("coredis.retry")
    import_module("coredis.exceptions")
    return import_module("coredis")
