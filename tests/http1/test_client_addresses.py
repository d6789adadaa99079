"""URLs taken apart, and header lines put together: tables."""

import pytest
from tests.kit.farside import FarSide

from sluicegate.http1.client.head import encode_headers
from sluicegate.http1.client.origin import Origin, parse_address
from sluicegate.http1.client.pool import open_client


@pytest.mark.parametrize(
    ("url", "origin", "authority", "target"),
    [
        ("http://far.test", Origin("http", "far.test", 80), "far.test", b"/"),
        ("HTTP://Far.TEST:80/", Origin("http", "far.test", 80), "far.test", b"/"),
        ("https://far.test/mcp", Origin("https", "far.test", 443), "far.test", b"/mcp"),
        ("https://far.test:80/mcp?a=b&c", Origin("https", "far.test", 80), "far.test:80", b"/mcp?a=b&c"),
        (
            "http://far.test/a%20b/\N{LATIN SMALL LETTER A WITH DIAERESIS}?q=%2F[x]",
            Origin("http", "far.test", 80),
            "far.test",
            b"/a%20b/%C3%A4?q=%2F%5Bx%5D",
        ),
        ("http://far.test?x#fragment", Origin("http", "far.test", 80), "far.test", b"/?x"),
        ("http://far.test/a/../b/./c;d=1", Origin("http", "far.test", 80), "far.test", b"/a/../b/./c;d=1"),
        ("http://[2001:DB8::1]:8080/", Origin("http", "2001:db8::1", 8080), "[2001:db8::1]:8080", b"/"),
        ("http://[fe80::1%eth0]/", Origin("http", "fe80::1%eth0", 80), "[fe80::1]", b"/"),
        ("http://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.test/", Origin("http", "xn--bcher-kva.test", 80), "xn--bcher-kva.test", b"/"),
        ("http://under_score.test./", Origin("http", "under_score.test.", 80), "under_score.test.", b"/"),
    ],
)
def test_a_url_has_one_origin_and_one_target(url: str, origin: Origin, authority: str, target: bytes) -> None:
    address = parse_address(url)
    assert (address.origin, address.origin.authority, address.target) == (origin, authority, target)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/mcp",
        "ftp://x/",
        "http://",
        "http:///x",
        "http://x:port/",
        "http://x:0/",
        "http://x:65536/",
        "http://x /",
        "http://x/\r\nHost: evil",
        "http://x\t.test/",
        "http://x/\x00",
        "http://[::1",
        "http://[nonsense]/",
        "http://[v1.a:b]/",
        "http://[fe80::1%]/",
        "http://a..b/",
        "http://-\N{SNOWMAN}.\N{SNOWMAN}-" + "x" * 70 + "/",
        "http://x\\@y/",
        "http://x%2fy/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(url)


def test_credentials_are_kept_apart_and_not_shown() -> None:
    address = parse_address("http://me:s%20e@cret@far.test/")
    assert (address.basic, address.origin.host) == ("Basic bWU6cyBlQGNyZXQ=", "far.test")
    assert "cret" not in repr(address)
    assert parse_address("http://far.test/").basic == ""


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/other", "http://far.test/other"),
        ("other?x", "http://far.test/a/other?x"),
        ("?x", "http://far.test/a/b?x"),
        ("//else.test/x", "http://else.test/x"),
        ("https://far.test/a/b", "https://far.test/a/b"),
        ("http://user:pass@far.test/c", "http://far.test/c"),
        ("http://far.test:80/c#f", "http://far.test/c"),
    ],
)
def test_a_redirect_leads_from_where_we_are(location: str, found: str) -> None:
    address = parse_address("http://far.test/a/b").join(location)
    assert f"{address.origin}{address.target.decode()}" == found


@pytest.mark.parametrize("location", ["http://[oops", "ftp://x/", "mailto:me", "/a b", "http://x:port/", "/\x7f"])
def test_a_redirect_to_what_is_no_url_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address("http://far.test/a/b").join(location)


def test_header_lines_are_put_together() -> None:
    assert encode_headers([]) == b""
    assert encode_headers([("X-A", "1"), ("x", " \tb c\t "), ("y", ""), ("z", "ä")]) == b"X-A: 1\r\nx: b c\r\ny: \r\nz: \xe4\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("ä", "x"),
        ("a\r\n", "x"),
        ("a", "x\r\nb: c"),
        ("a", "x\n"),
        ("a", "\x00"),
        ("a", "\x7f"),
        ("a", "\N{SNOWMAN}"),
        ("Host", "evil"),
        ("content-length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Upgrade", "h2c"),
    ],
)
def test_what_is_no_header_or_not_the_callers_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        encode_headers([(name, value)])


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "\N{SNOWMAN}"])
def test_a_host_header_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="Host"):
        open_client(parse_address("http://far.test").origin, open_stream=FarSide().open_stream, host=host)
