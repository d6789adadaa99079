"""``sluicegate token``: a new bearer token, and what to write of it into a configuration."""

from __future__ import annotations

import base64
import hashlib
import os

import click

from .json_text import print_json

__all__ = ["command"]

_BYTES = 32
"""So many that nobody guesses it, and that its hash needs no salt."""


@click.group("token", short_help="Make a bearer token.")
def command() -> None:
    """Make tokens for [[auth.scoped_tokens]]."""


@command.command("new")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def new(*, as_json: bool) -> None:
    """Print a new token, and its hash for the configuration. It is kept nowhere: give it to whom it is for, and write down its hash."""
    token = f"sg_{base64.urlsafe_b64encode(os.urandom(_BYTES)).rstrip(b'=').decode()}"
    digest = f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    if as_json:
        print_json({"token": token, "hash": digest})
    else:
        print(f'{token}\n\n[[auth.scoped_tokens]]\nhash = "{digest}"')
