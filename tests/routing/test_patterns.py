"""Globs and regular expressions of expose and hide lists."""

import pytest

from sluicegate.routing.patterns import BadPattern, Pattern


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("add", ["add"], ["adder", "Add", ""]),
        ("*", ["add", ""], ["a/b"]),
        ("get_*", ["get_", "get_x"], ["forget_x", "get_a/b"]),
        ("file:///**", ["file:///", "file:///a/b"], ["file:/a"]),
        ("**/secret", ["secret", "a/secret", "a/b/secret"], ["nosecret", "secret/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a**b", ["ab", "a/b"], ["a"]),
        ("a***", ["a", "a/b"], ["b"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("[abc]x", ["ax", "cx"], ["dx", "x"]),
        ("[a-c]x", ["bx"], ["-x", "dx"]),
        ("[a-]x", ["-x", "ax"], ["bx"]),
        ("[-a]x", ["-x", "ax"], ["bx"]),
        ("[!a-c]x", ["dx"], ["ax"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("[]]x", ["]x"], ["x"]),
        (r"[\]a]x", ["]x", "ax"], ["\\x"]),
        (r"[\\]", ["\\"], ["]"]),
        ("[[&]", ["[", "&"], ["]"]),
        ("{get,list}_*", ["get_a", "list_b"], ["put_a", "get,list_a"]),
        ("{a,b{c,d}}", ["a", "bc", "bd"], ["b", "c"]),
        ("a,b}", ["a,b}"], ["a"]),
        (r"\*", ["*"], ["a"]),
        (r"a\{b", ["a{b"], ["ab"]),
        ("!get_*", ["put_a"], ["get_a"]),
        ("!!get_*", ["get_a"], ["put_a"]),
        ("a.b", ["a.b"], ["axb"]),
        ("*", ["a\nb"], []),
        ("re:^get", ["get_a"], ["forget"]),
        ("re:ge+t", ["forget", "geet"], ["gt"]),
        ("re:(?i)GET", ["get"], ["put"]),
    ],
)
def test_a_pattern_fits_what_it_says(pattern: str, fitting: list[str], others: list[str]) -> None:
    parsed = Pattern.parse(pattern)

    assert fitting == [name for name in fitting + others if parsed.matches(name)]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("re:(", "invalid regex in filter pattern 're:('"),
        ("[abc", "a '[' is never closed"),
        ("[", "a '[' is never closed"),
        ("{a,b", "a '{' is never closed"),
        ("a\\", "it ends with a backslash"),
        ("[z-a]", "bad character range"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_with_a_reason(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Pattern.parse(pattern)

    assert why in str(caught.value)
    assert "filter pattern" in str(caught.value)
