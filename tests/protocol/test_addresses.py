"""What of an address may be shown."""

from __future__ import annotations

import pytest

from sluicegate.protocol.addresses import public_part


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://two.example/mcp", "https://two.example/mcp"),
        ("https://two.example:8443/mcp?key=CANARY#CANARY", "https://two.example:8443/mcp"),
        ("https://user:CANARY@two.example/mcp", "https://two.example/mcp"),
        ("https://user:CAN@ARY@two.example/mcp", "https://two.example/mcp"),
        ("https://user:@CAN@@ARY@@two.example", "https://two.example"),
        ("https://user:CAN/ARY@two.example/mcp", "…two.example/mcp"),
        ("https://user:CAN?ARY@two.example/mcp", "…"),
        ("https://user:CAN#ARY@two.example/mcp", "…"),
        ("https://two.example:port?key=CAN@ARY", "…"),
        ("https://user:CANARY@[::1]:80/mcp", "https://[::1]:80/mcp"),
        ("https://[::CANARY", "…"),
        ("https:/user:CANARY@two.example/mcp", "…two.example/mcp"),
        ("user:CANARY@two.example/mcp", "…two.example/mcp"),
        ("user:CANARY", "…"),
        ("https://packages.example/@scope/mcp", "https://packages.example/@scope/mcp"),
    ],
)
def test_no_part_of_user_password_query_or_fragment_is_shown(url: str, shown: str) -> None:
    assert shown == public_part(url)
