"""Ids of tasks that lead back to their backend, for whom they were given and for nobody else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.protocol.crossings import tasks_pass
from sluicegate.protocol.eras import LEGACY, SPOKEN
from sluicegate.protocol.key_ring import OwnKey
from sluicegate.protocol.messages import Params, Raw
from sluicegate.protocol.sealing_key import SealingKey
from sluicegate.protocol.task_ids import RELATED, TaskIds, related_task, with_related_task


def ids(seed: int = 1) -> TaskIds:
    return TaskIds(Random(seed).randbytes)


@given(st.text(min_size=1, max_size=40), st.text(max_size=20), st.text(min_size=1, max_size=40))
def test_an_id_leads_back_and_is_visible_ascii(backend: str, owner: str, local: str) -> None:
    made = ids()
    out = made.out(backend, owner, local)
    assert made.back(out, owner) == (backend, local)
    assert made.out(backend, owner, local) == out
    assert out.isascii()
    assert out.isprintable()
    assert " " not in out


@pytest.mark.parametrize(("backend", "owner", "local"), [("a", "ann", "t"), ("b", "", "t.1"), ("x.y", "https://i ann", "1.2%2E")])
def test_whoever_else_brings_it_or_changes_it_gets_nowhere(backend: str, owner: str, local: str) -> None:
    made = ids()
    out = made.out(backend, owner, local)
    assert made.back(out, f"{owner}x") is None
    assert ids(2).back(out, owner) is None
    for at in range(len(out)):
        for other in ("", "A", "."):
            changed = out[:at] + other + out[at + 1 :]
            assert changed == out or made.back(changed, owner) is None
    for wrong in ("", ".", "..", "a.b", f"{out}é", out + "x" * 5000):
        assert made.back(wrong, owner) is None


def test_what_is_joined_differently_is_another_task() -> None:
    made = ids()
    assert (
        len({made.out(*parts) for parts in (("a", "b", "c"), ("a", "", "b.c"), ("a.b", "", "c"), ("a", "b.c", "d"), ("a\0b", "", "c"))})
        == 5
    )


@pytest.mark.parametrize(
    ("meta", "task"),
    [
        (b'{"%b":{"taskId":"t","x":1.50},"y":null}' % RELATED.encode(), "t"),
        (b'{"%b":{"taskId":5}}' % RELATED.encode(), None),
        (b'{"%b":[]}' % RELATED.encode(), None),
        (b'["%b"]' % RELATED.encode(), None),
        (b"{}", None),
    ],
)
def test_the_task_that_something_is_about_is_renamed_and_nothing_else(meta: bytes, task: str | None) -> None:
    params: Params = {"a": Raw(b" 1.0"), "_meta": Raw(meta)}
    assert related_task(params) == task
    renamed = with_related_task(params, lambda local: f"{local}!")
    assert bytes(renamed["_meta"]) == (meta if task is None else meta.replace(b'"t"', b'"t!"'))
    assert renamed["a"] is params["a"]


def test_tasks_pass_between_those_who_have_them_in_the_same_way() -> None:
    assert [tasks_pass(client, backend) for client in SPOKEN for backend in SPOKEN] == [
        (client in LEGACY) == (backend in LEGACY) for client in SPOKEN for backend in SPOKEN
    ]


class Ring(OwnKey):
    """Turns when it is told to."""

    def __init__(self, seed: int) -> None:
        super().__init__(Random(seed).randbytes)
        self.old: dict[str, SealingKey] = {}

    def turn(self) -> None:
        self.old[self.newest().id] = self.newest()
        self._key = None

    def find(self, id: str) -> SealingKey | None:
        return super().find(id) or self.old.get(id)


def test_an_id_stays_the_same_when_keys_turn_and_goes_with_its_key() -> None:
    ring = Ring(1)
    made = TaskIds(Random(2).randbytes, ring)
    out = made.out("a", "ann", "t")
    ring.turn()
    assert (made.out("a", "ann", "t"), made.back(out, "ann")) == (out, ("a", "t"))
    assert made.out("a", "ann", "u")[22:30] != out[22:30]
    ring.old.clear()
    assert made.back(out, "ann") is None
    assert made.back(made.out("a", "ann", "t"), "ann") == ("a", "t")


def test_who_has_the_key_reads_the_ids_of_another_process_whose_lives_have_other_names() -> None:
    ring = OwnKey(Random(1).randbytes)
    one, other = TaskIds(Random(2).randbytes, ring), TaskIds(Random(3).randbytes, ring)
    assert other.back(one.out("a", "ann", "t"), "ann") == ("a", "t")
    assert len({of.begin_life() for of in (one, one, other, other)}) == 4


def test_each_use_has_a_key_of_its_own() -> None:
    key = SealingKey(1, b"k" * 32)
    assert len({key.secret, key.derived("task id"), key.derived("requestState")}) == 3
    assert key.derived("x") == SealingKey(2, b"k" * 32).derived("x")
