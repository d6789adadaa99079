"""``sluicegate audit``: whether the records of an audit are what was written."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import click

from .json_text import print_json

__all__ = ["command"]


@click.group("audit", short_help="Verify the records of an audit.")
def command() -> None:
    """Look at the records that [observability.audit] has a gateway write."""


@command.command("verify")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key-env", metavar="NAME", help="The variable that holds the key of the chain, if it has one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def verify(files: tuple[Path, ...], *, key_env: str | None, as_json: bool) -> int:
    """Verify the files of one audit, in any order, such as audit.jsonl*.

    Says the first line that was changed, taken out or put in, and exits with 1 then. What was cut off at the end shows by comparing the last
    chain with the one that the log tells when a gateway ends.
    """
    from ..observe.audit.chain_check import verify as look

    key = b""
    if key_env is not None:
        if not os.environ.get(key_env):
            raise click.UsageError(f"the environment variable '{key_env}' is not set")
        key = os.environ[key_env].encode()
    found = look(files, key)
    if as_json:
        print_json({"ok": found.wrong is None, **attrs.asdict(found)})
    else:
        print(f"{found.records} records, {found.first} to {found.last}, follow each other" if found.records else "no records")
        if found.torn:
            print(f"  {found.torn} {'line was' if found.torn == 1 else 'lines were'} cut off by a crash, of which the next record tells")
        if found.lost:
            print(f"  {found.lost} were dropped for want of room, as the audit itself tells")
        if found.wrong is not None:
            print(f"{found.wrong.file}:{found.wrong.line}: {found.wrong.what}")
        elif found.records:
            print(f"  chain: {found.chain}" + ("" if found.is_ended else "; the last record is not the end of a gateway"))
    return 0 if found.wrong is None else 1
