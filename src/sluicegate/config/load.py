"""From a file to a checked configuration: read, put in variables, import, convert, check; then all problems at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .checks import whole as check
from .documents import Document, Unreadable, read, text_of
from .dump import dump
from .folders import settle_folders, settled
from .interpolate import Interpolation
from .mend import AlreadyFound, mend
from .model import Config, Loaded
from .namespaces import Namespaces
from .origins import Named, backend_at
from .planned import Finding, take
from .problem import ConfigError, Problem, Provenance, dotted, line_of, origin_of
from .structure import Rejected, structure

if TYPE_CHECKING:
    from .clients.imported import Imported

__all__ = ["ConfigError", "Loaded", "Problem", "dump", "from_mcp_json", "load", "parse"]


def load(
    path: Path | str,
    *,
    import_mcp_json: Path | None = None,
    environ: Mapping[str, str] | None = None,
    wall: Callable[[], float] = time.time,
) -> Loaded:
    """Read a file: YAML if it ends in ``.yaml`` or ``.yml``, TOML otherwise (CFG-1).

    Args:
        path: the configuration.
        import_mcp_json: a client's file whose servers are added, as with ``proxy.import_backends``.
        environ: what ``${NAME}`` refers to; the environment of this process unless given.
        wall: time of day, by which what has ended is told of.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    path = Path(path)
    try:
        text = text_of(path)
    except Unreadable as why:
        raise ConfigError([Problem(str(path), None, "", f"reading it failed: {why}", "name a readable TOML or YAML file")]) from None
    document = read(text, "yaml" if path.suffix.lower() in {".yaml", ".yml"} else "toml", str(path))
    if path.suffix.lower() == ".json" and document.problems:
        instead = "name a TOML or YAML file; a client's .mcp.json is read with --from-mcp-json"
        raise ConfigError([attrs.evolve(problem, instead=instead) for problem in document.problems])
    imports = [] if import_mcp_json is None else [import_mcp_json]
    return _assemble(
        document, folder=path.absolute().parent, source=path, imports=imports, environ=os.environ if environ is None else environ, wall=wall
    )


def parse(
    text: str,
    *,
    format: Literal["toml", "yaml"] = "toml",
    name: str = "<string>",
    environ: Mapping[str, str] | None = None,
    wall: Callable[[], float] = time.time,
) -> Loaded:
    """The same for a text; relative paths in it start from the working directory."""
    return _assemble(
        read(text, format, name), folder=None, source=None, imports=[], environ=os.environ if environ is None else environ, wall=wall
    )


def from_mcp_json(path: Path, *, environ: Mapping[str, str] | None = None) -> Loaded:
    """A whole configuration from nothing but a client's file (CFG-155); raises `ConfigError`."""
    tree = {"proxy": {"name": path.absolute().parent.name or path.stem or "sluicegate"}}
    return _assemble(
        Document(str(path), tree, {}), folder=None, source=path, imports=[path], environ=os.environ if environ is None else environ
    )


def _assemble(
    document: Document,
    *,
    folder: Path | None,
    source: Path | None,
    imports: Sequence[Path],
    environ: Mapping[str, str],
    wall: Callable[[], float] = time.time,
) -> Loaded:
    """Make a configuration of a parsed file and of the client's files that are to be imported; raises `ConfigError`."""
    if document.value is None and document.problems:
        raise ConfigError(document.problems)
    if not isinstance(document.value, dict):
        raise ConfigError([Problem(document.name, None, "", "this is no table", 'start with [proxy] and name = "…"')])
    draft = _Draft(document, list(document.problems), wall)
    draft.tree, planned, wrong = take(document.value)
    interpolation = Interpolation(document.name, document.lines, environ, folder or Path.cwd())
    draft.tree = interpolation.resolve(draft.tree)
    draft.problems += interpolation.problems
    draft.named.take(interpolation, partial(backend_at, draft.tree))
    draft.note(wrong)
    if folder is not None:
        settle_folders(draft.tree, folder)
    for path in draft.named_import(folder or Path.cwd()):
        draft.take_in(_servers(path, environ, may_be_a_pipe=False))
    for path in imports:
        draft.take_in(_servers(path, environ, may_be_a_pipe=True))
    draft.tell_of_those_left_out()
    plans = draft.placed(_as_problems(planned))
    return draft.finish(source, plans)


def _servers(path: Path, environ: Mapping[str, str], *, may_be_a_pipe: bool) -> Imported:
    from .clients.client_files import read_servers  # 10 ms, which only those pay who import something

    return read_servers(path, environ, may_be_a_pipe=may_be_a_pipe)


@attrs.define(repr=False)
class _Draft:
    """A configuration while it is put together."""

    document: Document
    problems: list[Problem]
    wall: Callable[[], float]
    tree: dict[str, Any] = attrs.field(factory=dict)
    warnings: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    origins: dict[int, Provenance] = attrs.field(factory=dict)
    """Where a backend comes from, for those that are not in the file itself."""
    left_out: list[Imported] = attrs.field(factory=list)
    """Clients' files, for what could not be taken of them."""
    named: Named = attrs.field(factory=Named)
    import_failed: bool = False
    """Whether a client's file has mistakes, so that nobody knows how many backends there are."""

    def note(self, findings: Iterable[Finding]) -> None:
        self.problems += self.placed(_as_problems(findings))

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Add file and line to problems that know only their key."""
        return [self._place(problem) for problem in problems]

    def named_import(self, folder: Path) -> list[Path]:
        proxy = self.tree.get("proxy")
        name = proxy.get("import_backends") if isinstance(proxy, dict) else None
        return [Path(settled(folder, name))] if isinstance(name, str) and name else []

    def take_in(self, imported: Imported) -> None:
        """Append the backends of a client's file that the configuration does not have itself (CFG-153)."""
        self.problems += imported.problems
        self.import_failed = self.import_failed or bool(imported.problems or imported.left_out)
        self.left_out.append(imported)
        for name, interpolation in imported.interpolations:
            self.named.take_server(name, interpolation)
        self.notes.append(f"Imported {len(imported.tables)} backends from {imported.document.name}")
        backends = self.tree.setdefault("backends", [])
        if not isinstance(backends, list):
            return
        entries = [entry for entry in backends if isinstance(entry, dict)]
        names = {str(entry.get("name")) for entry in entries}
        spaces = Namespaces(self._separator(), (str(entry.get("namespace") or entry.get("name")) for entry in entries))
        spaces.expect(table["name"] for table in imported.tables if table["name"] not in names)
        for table, place in zip(imported.tables, imported.places, strict=True):
            name = table["name"]
            if name in names:
                self.warnings.append(f"Skipping '{name}' from {imported.document.name} (already defined in config)")
                continue
            namespace = spaces.give(name)
            if namespace != name:
                table["namespace"] = namespace
                self.warnings.append(f"'{name}' from {imported.document.name} gets the namespace '{namespace}'")
            names.add(name)
            self.origins[len(backends)] = Provenance(imported.document.name, line_of(place, imported.document.lines), place)
            backends.append(table)
        self.warnings += imported.warnings

    def _separator(self) -> str:
        proxy = self.tree.get("proxy")
        separator = proxy.get("separator", "_") if isinstance(proxy, dict) else "_"
        return separator if isinstance(separator, str) else ""

    def tell_of_those_left_out(self) -> None:
        """Servers of clients that cannot be used are a warning beside others, and the reason why there is nothing where they are all."""
        for imported in self.left_out:
            if self.tree.get("backends"):
                self.warnings += imported.about_those_left_out()
            else:
                self.problems += imported.left_out

    def finish(self, source: Path | None, planned: Sequence[Problem]) -> Loaded:
        """Convert and check; raises `ConfigError` with everything found since the beginning."""
        files = frozenset({*self.named.files, *(Path(one.document.name) for one in self.left_out), *([] if source is None else [source])})
        config = self._structured()
        if config is not None:
            config = attrs.evolve(config, source=source, planned=tuple(planned))
            config = attrs.evolve(config, variables=self.named.variables, inserted=frozenset(self.named.inserted))
            known = AlreadyFound(self.problems)
            found = self.placed([*check.file_rules(config), *_only_in_python(config)])
            self.problems += [problem for problem in found if not known.explains(problem) and not self._explains(problem)]
        if config is None or self.problems:
            raise ConfigError(sorted(dict.fromkeys(self.problems), key=self._order), files)
        warnings = (*self.warnings, *map(str, self.placed(check.warnings(config, self.wall))))
        return Loaded(config, warnings, tuple(planned), tuple(self.notes), self.document.lines, self.origins, files)

    def _explains(self, problem: Problem) -> bool:
        """Whether backends are missing only because a client's file could not be read."""
        return self.import_failed and problem.path == "backends"

    def _structured(self) -> Config | None:
        """The converted tree; where that fails, what is left of it without the mistakes, so that the rest is checked too."""
        try:
            return structure(self.tree)
        except Rejected as error:
            known = AlreadyFound(self.problems)
            self.problems += [found for found in self.placed(_as_problems(error.findings)) if not known.explains(found)]
            mend(self.tree, error.findings)
        try:
            return structure(self.tree)
        except Rejected:
            return None

    def _place(self, problem: Problem) -> Problem:
        if (origin := origin_of(problem, self.origins)) is not None:
            return origin.place(problem)
        return attrs.evolve(problem, file=self.document.name, line=line_of(problem.path, self.document.lines))

    def _order(self, problem: Problem) -> tuple[bool, int]:
        return problem.file != self.document.name, problem.line or 0


def _as_problems(findings: Iterable[Finding]) -> list[Problem]:
    return [Problem(None, None, dotted(finding.path), finding.what, finding.instead) for finding in findings]


def _only_in_python(config: Config) -> list[Problem]:
    what = "an in-process backend is an object of a Python program; no file can name it"
    return [
        Problem(None, None, f"backends[{index}].transport", what, "add it with Builder.backend() or Gateway.add_backend()")
        for index, backend in enumerate(config.backends)
        if backend.transport == "inprocess"
    ]
