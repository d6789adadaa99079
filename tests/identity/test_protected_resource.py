"""What the gateway is called by whoever asks for tokens for it, and where that is written (P-142, AUTH-12)."""

from __future__ import annotations

import json

import pytest

from sluicegate.identity.protected_resource import ProtectedResource

ISSUER = "https://id.example"
HOST = (b"Gate.Example:8080",)
OWN = "/.well-known/oauth-protected-resource"


def resource(public_url: str | None = None, *, scheme: str = "http", known: bool = True) -> ProtectedResource:
    return ProtectedResource("desk", (ISSUER,), ("mcp:tools",), public_url, scheme, lambda _hosts: known)


@pytest.mark.parametrize(
    ("public_url", "path", "identifier", "metadata"),
    [
        ("https://gate.example", "/mcp", "https://gate.example/mcp", f"https://gate.example{OWN}/mcp"),
        ("https://gate.example/", "/mcp/", "https://gate.example/mcp", f"https://gate.example{OWN}/mcp"),
        ("https://gate.example", "/", "https://gate.example", f"https://gate.example{OWN}"),
        ("https://gate.example", "/sse", "https://gate.example", f"https://gate.example{OWN}"),
        ("https://gate.example/gw", "/mcp", "https://gate.example/gw/mcp", f"https://gate.example{OWN}/gw/mcp"),
        ("https://gate.example:8443/gw/", "/metrics", "https://gate.example:8443/gw", f"https://gate.example:8443{OWN}/gw"),
        (None, "/mcp", "http://gate.example:8080/mcp", f"http://gate.example:8080{OWN}/mcp"),
        (None, "/", "http://gate.example:8080", f"http://gate.example:8080{OWN}"),
    ],
)
def test_each_path_belongs_to_a_resource_and_its_document_stands_where_rfc_9728_has_it(
    public_url: str | None, path: str, identifier: str, metadata: str
) -> None:
    assert resource(public_url).identifier(path, HOST) == identifier
    assert resource(public_url).metadata_url(path, HOST) == metadata


@pytest.mark.parametrize("public_url", [None, "https://gate.example", "https://gate.example/gw"])
@pytest.mark.parametrize("path", ["/mcp", "/"])
def test_the_document_that_a_challenge_names_is_served_and_is_about_the_resource_that_was_asked_for(
    public_url: str | None, path: str
) -> None:
    """RFC 9728, 3.3: else a client throws it away."""
    own = resource(public_url)
    url = own.metadata_url(path, HOST)
    assert url is not None
    where = "/" + url.split("/", 3)[3]
    assert where in set(own.paths)
    document = own.document(where, HOST)
    assert document is not None
    assert json.loads(document) == {
        "resource": own.identifier(path, HOST),
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "resource_name": "desk",
        "scopes_supported": ["mcp:tools"],
    }


def test_a_host_that_nobody_has_allowed_by_name_is_not_said_back() -> None:
    stranger = resource(known=False)
    assert (stranger.identifier("/mcp", HOST), stranger.metadata_url("/mcp", HOST), stranger.document(OWN, HOST)) == (None, None, None)


def test_with_a_public_url_nobodys_host_matters() -> None:
    assert resource("https://gate.example", known=False).identifier("/mcp", (b"evil.example",)) == "https://gate.example/mcp"


def test_without_a_public_url_the_scheme_is_that_of_the_own_listeners() -> None:
    assert resource(scheme="https").identifier("/mcp", HOST) == "https://gate.example:8080/mcp"
