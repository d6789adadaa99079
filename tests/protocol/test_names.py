"""Prefixes, ambiguity and short names."""

import pytest

from sluicegate.protocol.names import Names, ambiguous, fitting, is_portable, shorten


@pytest.mark.parametrize(
    ("namespace", "separator", "local", "full"),
    [
        ("math", "_", "add", "math_add"),
        ("math", ".", "add", "math.add"),
        ("math", "::", "add", "math::add"),
        ("files", "/", "file:///x", "files/file:///x"),
        ("", "_", "add", "add"),
        ("a", "_", "a_b", "a_a_b"),
    ],
)
def test_a_name_comes_back_as_it_went_out(namespace: str, separator: str, local: str, full: str) -> None:
    names = Names(namespace, separator)

    assert full == names.out(local)
    assert local == names.back(full)


@pytest.mark.parametrize("name", ["add", "Math_add", "math", "math_", "mathadd", ""])
def test_a_name_without_the_prefix_belongs_elsewhere(name: str) -> None:
    assert Names("math", "_").back(name) is None


def test_without_a_namespace_every_name_that_is_not_empty_is_ours() -> None:
    assert Names("", "_").back("anything") == "anything"
    assert Names("", "_").back("") is None


def test_namespaces_that_begin_alike_are_ambiguous() -> None:
    assert ambiguous(["redis_ft", "redis", "math"], "_") == [("redis", "redis_ft")]


def test_another_separator_makes_them_clear() -> None:
    assert ambiguous(["redis", "redis_ft"], ".") == []


def test_a_common_beginning_alone_is_not_ambiguous() -> None:
    assert ambiguous(["time", "timer", "time-backup"], "_") == []


def test_the_empty_namespace_and_equal_ones_are_in_no_pair() -> None:
    assert ambiguous(["", "a", "a", ""], "_") == []


def test_every_pair_of_a_family_is_named() -> None:
    assert ambiguous(["a_b_c", "a_b", "a"], "_") == [("a", "a_b"), ("a", "a_b_c"), ("a_b", "a_b_c")]


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("b_calendar_read", "b_calendar_read"),
        ("b_calendar.read", "b_calendar_read_92c94ba6"),
        ("b_calendar/read", "b_calendar_read_e297a585"),
        ("b_读取", "b___fb6ade05"),
        (".", "__cdb4ee2a"),
    ],
)
def test_what_clients_refuse_is_replaced_and_marked(name: str, portable: str) -> None:
    assert portable == fitting(name, 64) == fitting(name, 0)
    assert is_portable(portable)
    assert is_portable(name) is (name == portable)


def test_a_portable_name_is_short_too() -> None:
    assert fitting("b_" + "x." * 50, 64) == "b_" + "x_" * 26 + "x_0e66c971"
    assert fitting("b_" + "x" * 70, 64) == shorten("b_" + "x" * 70, 64)


def test_a_short_name_stays() -> None:
    assert shorten("x" * 64, 64) == "x" * 64
    assert shorten("x" * 500, 0) == "x" * 500


def test_a_long_name_is_cut_and_marked_the_same_way_every_time() -> None:
    name = "backend_" + "x" * 100

    assert shorten(name, 64) == "backend_" + "x" * 47 + "_be356800"
    assert len(shorten(name, 64)) == 64


def test_long_names_with_one_beginning_stay_apart() -> None:
    assert shorten("y" * 100 + "1", 64) != shorten("y" * 100 + "2", 64)
