"""How a conversation with a backend opens is one part, which can be another; the rest of the gateway does not know how it is done."""

from __future__ import annotations

import random
from pathlib import Path

import attrs
import trio
import trio.testing

from sluicegate.backends.backend import Backend
from sluicegate.backends.link import Link
from sluicegate.backends.session import BackendSession
from sluicegate.backends.supervisor import Supervisor
from sluicegate.policies.settings import RestartSettings
from sluicegate.protocol.eras import OPENS
from sluicegate.protocol.messages import EMPTY, Params
from sluicegate.protocol.offers import TOOLS, Hello
from sluicegate.testing.backend import ScriptedBackend

SOURCE = Path(__file__).parents[2] / "src" / "sluicegate"


@attrs.define(eq=False)
class Silent:
    """Opens a conversation without a word (implements `Opener`), as later revisions of the protocol do."""

    declared: list[Params] = attrs.field(factory=list)

    async def __call__(self, session: BackendSession, declared: Params) -> tuple[Hello, BackendSession]:
        await trio.lowlevel.checkpoint()
        self.declared.append(declared)
        return Hello("none", {"tools": EMPTY}, {}), session


async def test_a_conversation_opens_as_its_opener_does_it_time_and_again(autojump_clock: trio.testing.MockClock) -> None:
    scripted, opener = ScriptedBackend(tools=["one"]), Silent()
    backend = Backend(Link("b", scripted.connector))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor(backend.link, RestartSettings(1.0, 8.0, 3, 60.0), 5, random.Random(1), opener).run)
        for times in (1, 2):
            await backend.wait_for(lambda backend: backend.is_up)
            assert opener.declared == [{}] * times
            assert backend.offer is not None
            assert [item.key for item in backend.offer.lists[TOOLS]] == ["one"]
            scripted.crash()
            await backend.wait_for(lambda backend: not backend.is_up)
        nursery.cancel_scope.cancel()
    assert not any(message.method in OPENS for message in scripted.received)


def test_the_word_that_opens_a_conversation_stands_in_one_file() -> None:
    """Beside what operators and clients read: how far an attempt came, and what must not be in a batch."""
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if '"initialize"' in path.read_text(encoding="utf-8")}
    assert files == {"protocol/eras.py", "backends/link.py", "protocol/batches.py"}
