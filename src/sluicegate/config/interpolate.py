"""``${NAME}`` in a configuration: variables of the environment and the contents of files.

    ${NAME}            the variable; it is an error if it is not set
    ${NAME:-default}   the default if it is not set, or empty
    ${file:path}       the file's text without its last newline; relative to the configuration
    $${NAME}           the text ${NAME} itself

All forms may stand anywhere in a text. What is put in is not looked at again. No message shows a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from .documents import Unreadable
from .folders import settled
from .inheritance import is_common
from .problem import KeyPath, Problem, dotted, line_of
from .regular_files import regular_text

__all__ = ["Inserted", "Interpolation", "escape"]

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_FILE = 1024 * 1024
_FOR_CALLS = frozenset({"default_args", "inject_args", "param_overrides"})
"""Tables in which these places are about a call, and stay until there is one."""
_IN_CALLS = ("${principal.", "${header.")


class Inserted(str):
    """A text with something put in; it may stand for a number or a flag, since the environment has only texts."""

    __slots__ = ()


class _Unresolved(Exception):
    """What is wrong with one reference, and what to do."""


def escape(text: str) -> str:
    """Write a text so that reading it back gives the same text."""
    return text.replace("${", "$${")


@attrs.define(repr=False)
class Interpolation:
    """Resolves the references of one file."""

    name: str
    lines: Mapping[str, int]
    environ: Mapping[str, str]
    folder: Path
    clients_file: bool = False
    """Whether ``${env:NAME}`` and the folders that editors know are understood too."""
    problems: list[Problem] = attrs.field(factory=list, init=False)
    named: dict[str, set[KeyPath]] = attrs.field(factory=dict, init=False)
    """The variables that were named, and where."""
    inserted: dict[KeyPath, set[str]] = attrs.field(factory=dict, init=False)
    """What was put in from outside of the file, and where; never shown."""
    files: set[Path] = attrs.field(factory=set, init=False)
    """Those that were read for it."""
    _path: KeyPath = attrs.field(default=(), init=False)
    """Of the text that is looked at."""

    def resolve(self, value: Any, path: KeyPath = ()) -> Any:
        """The value with every reference resolved; those that cannot be are noted in ``problems``."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return {key: self.resolve(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str:
        if "${" not in text:
            return text
        self._path = path

        def put_in(match: re.Match[str]) -> str:
            if match.group() == "$${":
                return "${"
            try:
                return self._reference(match)
            except _Unresolved as error:
                what, instead = error.args
                key = dotted(path)
                self.problems.append(Problem(self.name, line_of(key, self.lines), key, what, instead))
                return ""

        return Inserted(_REFERENCE.sub(put_in, text))

    def _reference(self, match: re.Match[str]) -> str:
        if match[0].startswith(_IN_CALLS) and any(step in _FOR_CALLS for step in self._path):
            return match[0]
        if match[1] is None:
            raise _Unresolved("'${' is never closed", "write ${NAME}, or $${ for the two characters themselves")
        name, colon, rest = match[1].partition(":")
        kinds: dict[str, Callable[[str], str]] = {"file": self._file}
        if self.clients_file:
            kinds["env"] = self._variable
        if colon and not rest.startswith("-") and name in kinds:
            return kinds[name](rest)
        if self.clients_file and name == "input":
            raise _Unresolved(
                f"'${{input:{rest}}}' asks a person, and the gateway cannot", "set an environment variable, and write ${env:NAME}"
            )
        if self.clients_file and match[1] in self._editors():
            return self._editors()[match[1]]
        return self._variable(match[1])

    def _variable(self, reference: str) -> str:
        name, separator, default = reference.partition(":-")
        if not _NAME.fullmatch(name):
            known = "${NAME}, ${NAME:-default}, ${file:path}" + (", ${env:NAME}" if self.clients_file else "")
            shown = reference if not separator else f"{name}:-…"  # a default may be a secret
            raise _Unresolved(f"'${{{shown}}}' is no reference that the gateway knows", f"write one of {known}, or $${{ for plain text")
        value = self.environ.get(name)
        self.named.setdefault(name, set()).add(self._path)
        if separator and not value:
            return default
        if value is None:
            raise _Unresolved(f"the environment variable '{name}' is not set", f"set it, or write ${{{name}:-default}}")
        if not is_common(name):
            self._put_in(value)
        return value

    def _put_in(self, value: str) -> str:
        self.inserted.setdefault(self._path, set()).add(value)
        return value

    def _file(self, reference: str) -> str:
        path = settled(self.folder, reference)
        self.files.add(Path(path))
        try:
            return self._put_in(regular_text(Path(path), _MAX_FILE).removesuffix("\n").removesuffix("\r"))
        except Unreadable as why:
            raise _Unresolved(f"the file '{path}' cannot be read: {why}", "name a readable text file that holds only the value") from None

    def _editors(self) -> dict[str, str]:
        """What editors put in by themselves."""
        workspace = self.folder.parent if self.folder.name in {".vscode", ".cursor", ".claude"} else self.folder
        known = {"workspaceFolder": str(workspace), "workspaceFolderBasename": workspace.name, "userHome": settled(self.folder, "~")}
        return known | dict.fromkeys(("pathSeparator", "/"), os.sep)
