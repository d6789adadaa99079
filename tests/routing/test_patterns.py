"""Globs and regular expressions of expose and hide lists."""

from time import process_time

import pytest

from sluicegate.routing.patterns import BadPattern, Pattern, PatternList


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
        ("ab**/c", ["ab/c", "abx/y/c"], ["abc"]),
        ("/a**/b", ["/a/b", "/ax/b"], ["/ab"]),
        ("/**/b", ["/b", "/a/b"], ["b", "a/b"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("[abc]x", ["ax", "cx"], ["dx", "x"]),
        ("[a-c]x", ["bx"], ["-x", "dx"]),
        ("[a-]x", ["-x", "ax"], ["bx"]),
        ("[-a]x", ["-x", "ax"], ["bx"]),
        ("[!a-c]x", ["dx", "!x", "[x"], ["ax"]),
        ("[^a]x", ["bx", "^x", "[x"], ["ax"]),
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
        ("!!!get_*", ["put_a"], ["get_a"]),
        ("{a,b}}", ["a}", "b}"], ["a", "b"]),
        ("a.b", ["a.b"], ["axb"]),
        ("*", ["a\nb"], []),
        ("re:^get", ["get_a"], ["forget"]),
        ("re:ge+t", ["forget", "geet"], ["gt"]),
        ("re:(?i)GET", ["get"], ["put"]),
        ("re:(?i)GET|x", ["get", "x"], ["put"]),
        ("{" * 5000 + "a,b*" + "}" * 5000, ["a", "bc"], ["ab"]),
        ("a{b,[x-z]}*é", ["abé", "ayxé"], ["aé", "aaé"]),
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
        ("re:(?=get)x", "it looks ahead or behind"),
        ("re:(?<!get)x", "it looks ahead or behind"),
        (r"re:(a)\1", "it refers back to a group"),
        ("re:(?P<a>x)(?P=a)", "it refers back to a group"),
        (r"re:a\Z", r"the end of the text is \z"),
        ("re:a++", "without being possessive"),
        ("re:" + "(" * 5000, "missing )"),
        ("re:\udc80", "half a character"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_with_a_reason(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Pattern.parse(pattern)

    assert why in str(caught.value)
    assert "filter pattern" in str(caught.value)


@pytest.mark.parametrize("pattern", ["*a*b", "**a**b**c", "**/x/**/y", "{*a,**b}{*,**}c", "re:(a*)*b", "re:(x+x+)+y", "re:(a|a?)+$b"])
def test_a_pattern_takes_time_in_proportion_to_the_name(pattern: str) -> None:
    parsed = PatternList.of([Pattern.parse(pattern)])

    def seconds(length: int) -> float:
        name = "ax/" * (length // 3)
        began = process_time()
        assert not parsed.fits(name)
        return process_time() - began

    assert min(seconds(1024 * 1024) for _ in range(3)) < 0.25  # RE2 takes 2 to 10 ms; an engine that tries again, hours


def test_many_globs_are_tried_together() -> None:
    listed = PatternList.of(Pattern.parse(f"tool{number}_*") for number in range(1000))

    assert [name for name in ("tool0_x", "tool999_", "tool1000_x", "tool") if listed.fits(name)] == ["tool0_x", "tool999_"]


def test_globs_that_are_too_large_together_are_tried_one_by_one() -> None:
    listed = PatternList.of(Pattern.parse(f"{number}{'?' * 900}{'[a-zé]' * 900}") for number in range(120))

    assert not listed.fits("x")
    assert listed.fits("7" + "-" * 900 + "é" * 900)


def test_an_exact_name_needs_no_automaton() -> None:
    """RE2 is loaded only where a pattern asks for it."""
    assert Pattern.parse(r"a\*b").exact == "a*b"
    assert Pattern.parse("a*b").exact is None


def test_case_makes_no_difference_to_a_list_that_folds() -> None:
    listed = PatternList.of(map(Pattern.parse, ("Exact", "wild_*", "re:^regex")), folds=True)

    assert all(map(listed.fits, ("EXACT", "WILD_x", "RegEx")))


def test_a_pattern_that_is_too_large_only_where_case_makes_no_difference_is_too_large() -> None:
    """A pattern does not know yet in which kind of list it will stand, and there is nobody left to tell when it does."""
    with pytest.raises(BadPattern, match="invalid regex"):
        Pattern.parse("re:" + "[a-zé]" * 70_000)


def test_what_is_wrong_with_a_pattern_is_said_by_us_and_by_nobody_else(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 would write a line of its own to stderr, past the log."""
    with pytest.raises(BadPattern):
        Pattern.parse("re:(")
    assert capfd.readouterr() == ("", "")
