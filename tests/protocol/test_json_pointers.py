"""Places of a document, as they are written in a configuration."""

import pytest

from sluicegate.protocol.json_pointers import read_pointer, written


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/_meta", ("_meta",)),
        ("/content/*/text", ("content", "*", "text")),
        ("/a~1b/m~0n", ("a/b", "m~n")),
        ("/~01", ("~1",)),
        ("/", ("",)),
    ],
)
def test_a_pointer_is_read_as_its_rfc_has_it_and_written_again(text: str, names: tuple[str, ...]) -> None:
    assert read_pointer(text) == names
    assert written(names) == text


@pytest.mark.parametrize(
    ("text", "instead"), [("content", "begins with a slash"), ("", "begins with a slash"), ("/a~2", "~0"), ("/a~", "~0")]
)
def test_what_is_no_pointer_is_refused_with_what_to_write(text: str, instead: str) -> None:
    with pytest.raises(ValueError, match=instead):
        read_pointer(text)
