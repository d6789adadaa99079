"""``sluicegate example``: the configurations that come with the gateway, to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from ..config.nearest import instead_of_unknown

__all__ = ["command", "examples"]

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "examples", _PACKAGE.parents[1] / "conf")
"""In a wheel, and in a checkout."""


def examples() -> dict[str, Path]:
    """The files by their names."""
    place = next((place for place in _PLACES if place.is_dir()), None)
    return {} if place is None else {path.stem: path for path in sorted(place.glob("*.toml"))}


@click.command("example", short_help="Print a configuration to begin with.")
@click.argument("name", required=False, metavar="[NAME]")
def command(name: str | None) -> None:
    """Print a configuration that comes with the gateway; without a name, list them.

    `sluicegate example demo > gate.toml` is a file to begin with; `reference` has every key with its default.
    """
    known = examples()
    if name is None:
        width = len(max(known, key=len, default=""))
        for stem, path in known.items():
            print(f"{stem:{width}}  {_purpose(path)}")
        return
    if name not in known:
        raise click.BadParameter(f"there is no example '{name}'; {instead_of_unknown(name, known)}", param_hint="NAME")
    print(known[name].read_text(encoding="utf-8"), end="")


def _purpose(path: Path) -> str:
    """The first sentence of the comment at its top; a line that begins with ``#:`` is for editors."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#:")]
    comment = [
        line.removeprefix("#").strip() for line in lines[: next(n for n, line in enumerate([*lines, ""]) if not line.startswith("#"))]
    ]
    return " ".join(comment).partition(". ")[0].removesuffix(".") + "."
