"""Give answers again that were given not long ago, instead of asking for them.

It stands outside of everything that makes attempts: what is kept costs a backend nothing, and is there while that restarts. What is given to
whom follows from the key: a request, for whom the session makes a difference, and the principal where a backend says that an answer is private.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import attrs
import trio

from ..protocol.calls import NAMED_BY, Call, Coming, Handler, Kept, Reply, at_hand
from ..protocol.hints import with_less_time
from ..protocol.key_values import PATIENCE_SECONDS
from ..protocol.messages import Params, read_text
from ..settings.keeping import CacheSettings
from ..telling.statistics import snapshot
from .asked_again import AskedAgain
from .cache_statistics import CacheStatistics
from .effects import CHANGING, TOOL, may_have_changed
from .keepable import Answers, KeptTools
from .memory_store import MemoryStore, at_once
from .refreshing import Refreshing
from .request_keys import RequestKeys, private
from .staleness import is_mended, longest
from .store import Store, Stored

__all__ = ["Cache", "CacheStatistics"]


@attrs.define(eq=False, repr=False)
class Cache:
    """Keeps the answers of one backend. It stays as long as its settings and its backend do."""

    inner: Handler
    settings: CacheSettings
    backend: Answers
    stores: Mapping[str, Store]
    """By method; what has none is not kept."""
    tools: KeptTools
    keys: RequestKeys
    background: trio.Nursery
    is_shared: bool = False
    """Whether others find in the stores what is kept there, and must not when it holds no more."""
    hits: int = attrs.field(default=0, init=False)
    misses: int = attrs.field(default=0, init=False)
    stale: int = attrs.field(default=0, init=False)
    _ttls: Mapping[str, float] = attrs.field(default=attrs.Factory(lambda self: self.settings.ttls(), takes_self=True), init=False)
    _seen: int = attrs.field(default=0, init=False)
    """How many changes the stores have heard of. What another one had not told them yet, in whose place this one is, it tells them once more."""
    _has_private: bool = attrs.field(default=False, init=False)
    _refreshing: Refreshing = attrs.field(default=attrs.Factory(lambda self: Refreshing(self.background), takes_self=True), init=False)
    _again: AskedAgain = attrs.field(factory=AskedAgain, init=False)

    # -- what is kept

    @property
    def entries(self) -> int:
        """Answers that are kept."""
        return sum(store.size[0] for store in self.stores.values())

    @property
    def entry_bytes(self) -> int:
        """Bytes that they take."""
        return sum(store.size[1] for store in self.stores.values())

    @property
    def hit_rate(self) -> float:
        """Hits, of all requests that might have been; nothing where there were none."""
        return self.hits / (self.hits + self.misses) if self.hits else 0.0

    def clear(self) -> None:
        """Forget all that is kept, and the counts; what is being asked for now is not kept either."""
        self.backend.changes.add()
        for store in self.stores.values():
            store.empty()
        self.hits = self.misses = self.stale = 0

    def statistics(self) -> CacheStatistics:
        """What it has counted until now."""
        return snapshot(CacheStatistics, self)

    async def catch_up(self) -> None:
        """Forget what holds no more. Where that waits and is cut, the next one does it again."""
        changes = self.backend.changes
        count = changes.count
        for change in changes.since(self._seen):
            for method, store in self.stores.items():
                if method.startswith(change.kind):
                    await store.clear(change.name)
        self._seen = max(self._seen, count)

    async def keep_in_step(self) -> None:
        """Tell of what holds no more, and of what the stores did not take when they were told."""
        await self.catch_up()
        for store in self.stores.values():
            await store.settle()

    # -- calls

    async def __call__(self, call: Call) -> Reply:
        """Answer with what is kept, or keep the answer."""
        method = call.method
        store = self.stores.get(method)
        if store is None:
            return await (self._unkept(call, call.local) if method in CHANGING else self.inner(call))
        local = call.local
        key = self._key(call) if method != TOOL or self.tools.keeps(local) else None
        if key is None:
            return await self._unkept(call, local)
        found = await (self._look_elsewhere if self.is_shared else self._look)(store, key, call)
        now = trio.current_time()
        if found is None or not self._may_give(found, now - found.at, call):
            self.misses += 1
            return await self._ask(call, local, key, found)
        if now - found.at >= found.seconds:
            self._refreshing.start(call, key, lambda anew: self._ask(anew, local, key), self.backend.name)
        await trio.lowlevel.checkpoint()
        self._again.learn(self.backend.audience(call.caller) or "", method, call.params, local, key)
        return self._given(found, call, now)

    async def _look(self, store: Store, key: bytes, call: Call) -> Stored | None:
        if self._seen != self.backend.changes.count:
            await self.catch_up()
        now = trio.current_time()
        found = await store.get(key, now)
        if found is None and self._has_private:
            found = await store.get(private(key, call), now)
        return found

    async def _look_elsewhere(self, store: Store, key: bytes, call: Call) -> Stored | None:
        """Nothing, where that takes too long."""
        with trio.move_on_after(PATIENCE_SECONDS):
            return await self._look(store, key, call)
        return None

    def at_hand(self, call: Call, params: Params) -> Reply | Coming | None:
        """What is kept, where it is fresh and in this process; else what may come without a task, which is kept when it is there."""
        method, changes = call.method, self.backend.changes.count
        audience, store = self.backend.audience(call.caller), self.stores.get(method)
        if audience is None or not isinstance(store, MemoryStore) or self._seen != changes:
            return None
        known = self._again.find(audience, method, params)
        local, key = known or (read_text(params, NAMED_BY[method]) or "", self.keys.of(method, params, audience))
        if key is None or (method == TOOL and not self.tools.keeps(local)):
            return None
        now = trio.current_time()
        found = store.held(key, now)
        if found is not None:
            if known is None:
                self._again.learn(audience, method, params, local, key)
            return self._given(found, call, now) if now - found.at < found.seconds else None
        inner = None if self._has_private or self.tools.may_change(method, local) else at_hand(self.inner)
        coming = None if inner is None else inner(call, params)
        if coming is not None and not isinstance(coming, Reply):
            self.misses += 1
            coming.then(partial(self._arrived, call, local, key, changes))
        return coming

    def _arrived(self, call: Call, local: str, key: bytes, begun: int, reply: Reply) -> Reply:
        """Keep what has come to a call without a task, unless one that waited with it has done so."""
        store = self.stores[call.method]
        is_new = reply.fault is None and isinstance(store, MemoryStore) and not store.has(key)
        if is_new and self.backend.changes.hold_since(begun, call.method, local):
            at_once(self._keep(call, local, key, reply, trio.current_time(), store.begin()))
        return reply

    def _key(self, call: Call) -> bytes | None:
        audience = None if call.trail.asked else self.backend.audience(call.caller)
        return None if audience is None else self.keys.of(call.method, call.params, audience)

    def _may_give(self, stored: Stored, age: float, call: Call) -> bool:
        """Whether it is fresh, or stale for so short a time that it is given while it is asked for anew, which only a shared session can be."""
        until = stored.seconds + self.settings.stale_while_revalidate_seconds
        return age < stored.seconds or (age < until and self.backend.may_share(call.caller))

    def _given(self, stored: Stored, call: Call, now: float) -> Reply:
        age = now - stored.at
        self.hits += 1
        self.stale += age >= stored.seconds
        call.trail.kept = Kept(age, stored.seconds)
        call.trail.be_given(self.backend.name)
        return Reply(with_less_time(stored.reply.result, age)) if stored.counts_down else stored.reply

    async def _unkept(self, call: Call, local: str) -> Reply:
        """Run a call whose answer is not kept; others are forgotten because of what it has changed."""
        if not self.tools.may_change(call.method, local):
            return await self.inner(call)
        reply = None
        try:
            reply = await self.inner(call)
        finally:
            self._has_run(call, reply)
        if self.is_shared:
            with trio.move_on_after(PATIENCE_SECONDS, shield=True):  # the answer is there, and not lost to a deadline
                await self.catch_up()  # who is told that it is done may ask another gateway next
        return reply

    async def _ask(self, call: Call, local: str, key: bytes, old: Stored | None = None) -> Reply:
        """Run a call, and keep its answer if nothing has changed meanwhile that it might be about."""
        begun, known = self.backend.changes.count, self.stores[call.method].begin()
        writes = self.tools.may_change(call.method, local)
        reply, holds = None, False
        try:
            reply = await self.inner(call)
            holds = self.backend.changes.hold_since(begun, call.method, local)
        finally:
            if writes:
                self._has_run(call, reply)
        now, keeps = trio.current_time(), holds and reply.fault is None
        if self.is_shared:
            with trio.move_on_after(PATIENCE_SECONDS, shield=True):  # the answer is there, and not lost to a deadline
                if writes:
                    await self.catch_up()
                if keeps:
                    await self._keep(call, local, key, reply, now, known)
        elif keeps:
            await self._keep(call, local, key, reply, now, known)
        if reply.fault is not None and old is not None and holds and is_mended(self.settings, reply.fault, now - old.at - old.seconds):
            self.misses -= 1  # it is a hit after all
            return self._given(old, call, now)
        return reply

    def _has_run(self, call: Call, reply: Reply | None) -> None:
        """After a call that writes, however it has ended."""
        if may_have_changed(call, reply):
            self.backend.changes.add()
            if self.is_shared and reply is None:  # it is cut, and waits for nothing any more
                self.background.start_soon(self.catch_up, name="what is kept elsewhere holds no more")

    async def _keep(self, call: Call, local: str, key: bytes, reply: Reply, now: float, known: object) -> None:
        hints, store = reply.hints, self.stores[call.method]
        if call.trail.asked or not hints.is_answer or reply.outcome(call.method) != "ok":
            return
        if self._seen != self.backend.changes.count:
            await self.catch_up()
        seconds = min(self.tools.seconds_of(local) if call.method == TOOL else self._ttls[call.method], hints.seconds)
        if seconds <= 0 or hints.is_private:
            await store.delete(key)  # an older one would be given as long as it is stale
            key = private(key, call)
        if seconds <= 0:
            await store.delete(key)
            return
        self._has_private |= hints.is_private
        until, kept = now + seconds + longest(self.settings), Reply(reply.result.copy())  # else it would hold all that came with it
        await store.set(key, Stored(kept, local, now, seconds, until, counts_down=hints.seconds < math.inf), known)
