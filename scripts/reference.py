"""What is written because the code says so: the tables of ``reference.toml``, the schema, and the manual's table of metrics.

Writes them; with ``--check`` it writes nothing, and the exit code is 1 if one of them says something else.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs

import sluicegate.policies
from sluicegate.backends.backend import Backend
from sluicegate.backends.client_links import ClientLinks
from sluicegate.config.model import (
    AccessLogConfig,
    ListenConfig,
    ListenTlsConfig,
    MetricsConfig,
    ObservabilityConfig,
    PerformanceConfig,
    ProxyConfig,
    SecurityConfig,
)
from sluicegate.config.schema import schema
from sluicegate.config.sentences import purpose_of, sentences_of
from sluicegate.frontends.modern.parking import Parking
from sluicegate.frontends.session_table import SessionTable
from sluicegate.frontends.ticket_office import TicketOffice
from sluicegate.gateway.handles import Policies
from sluicegate.gateway.reconfiguring import Reconfiguring
from sluicegate.http1.server.connection_limit import ConnectionLimit
from sluicegate.observe.access import Sink
from sluicegate.observe.audit.ledger import ThreadLedger
from sluicegate.observe.metrics import Counts
from sluicegate.policies.mirror import Shadow
from sluicegate.policies.remembering import remembering
from sluicegate.policies.settings import TABLES, CanaryGuardSettings, RestartSettings, TimeoutSettings
from sluicegate.settings.audit_settings import AuditSettings
from sluicegate.settings.keeping import StoreSettings
from sluicegate.telling.statistics import Counting, Shown, Value, shown

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
REFERENCE = CONF / "reference.toml"
SCHEMA = CONF / "sluicegate.schema.json"
STUB = ROOT / "src" / "sluicegate" / "__init__.pyi"

METRICS = ROOT / "src" / "sluicegate" / "help" / "metrics.rst"

ALONE: tuple[type[Counting], ...] = (Counts, SessionTable, TicketOffice, Parking, ConnectionLimit, Reconfiguring, Sink, ThreadLedger)
"""What a gateway has one of."""
OF_BACKENDS: tuple[type[Counting], ...] = (Backend, ClientLinks, Shadow)
"""What each backend has, beside its policies."""

GENERATED: Mapping[str, type[Any]] = {
    "[proxy]": ProxyConfig,
    "[proxy.listen]": ListenConfig,
    "[security]": SecurityConfig,
    "[observability]": ObservabilityConfig,
    "[performance]": PerformanceConfig,
    "[cache]": StoreSettings,
    "# [observability.audit]": AuditSettings,  # one that is there is one that writes
    "[observability.access_log]": AccessLogConfig,
    "[observability.metrics]": MetricsConfig,
    "[backends.timeout]": TimeoutSettings,
    "[backends.restart]": RestartSettings,
    "[backends.canary_guard]": CanaryGuardSettings,  # it has no effect on a backend that is no canary
}
"""By their heads; what is around them is written by hand. Behind all that are the policies."""
OF_ITS_OWN = {ListenTlsConfig | None, AuditSettings | None}
"""Tables that are not there unless they are asked for, and are shown behind a '#'."""

_COMMENT = 36
"""The column in which comments begin."""
_WIDTH = 140
_PAGE, _NAME = 109, 49
"""Columns of the manual's table of metrics, and of its names."""


def main(arguments: Sequence[str]) -> int:
    """Write the files, or look at them."""
    stale = [path for path, text in made().items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(path.relative_to(ROOT))
        if "--check" not in arguments:
            path.write_text(made()[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


def made() -> Mapping[Path, str]:
    """The files as they should be."""
    by_hand, _, _ = REFERENCE.read_text(encoding="utf-8").partition("[backends.retry]")
    parts = by_hand.strip().split("\n\n")
    made = [
        "\n".join(asleep(head, table(head.removeprefix("# "), GENERATED[head])))
        if (head := part.partition("]")[0] + "]") in GENERATED
        else part
        for part in parts
    ]
    heads = {f"[backends.{name}]": kind for name, kind in TABLES.items()}
    made += ["\n".join(table(head, kind)) for head, kind in heads.items() if head not in GENERATED]
    before, title, _ = METRICS.read_text(encoding="utf-8").partition("What each part counts\n")
    page = before + title + "".join(line + "\n" for line in metrics())
    return {
        REFERENCE: "\n\n".join(made).rstrip() + "\n",
        SCHEMA: json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
        METRICS: page,
        STUB: "".join(listed(STUB.read_text(encoding="utf-8"))),
    }


def metrics() -> Iterator[str]:
    """The end of the manual's page: each metric that a part tells of itself."""
    names, texts = "=" * _NAME, "=" * (_PAGE - _NAME - 2)
    yield from ("-" * len("What each part counts"), "", f"{names}  {texts}")
    for whose, kind in kinds():
        for _field, one in shown(kind):
            first, *others = textwrap.wrap(told(one, whose), len(texts), break_long_words=False)
            yield f"{f'``{name_of(one)}``':{_NAME}}  {first}"
            yield from (f"{'':{_NAME}}  {line}" for line in others)
    yield f"{names}  {texts}"


def kinds() -> Iterator[tuple[tuple[str, ...], type[Value]]]:
    """The labels by which they are told apart, and the statistics of each part, as its class declares them."""
    for info in pkgutil.iter_modules(sluicegate.policies.__path__):
        importlib.import_module(f"sluicegate.policies.{info.name}")
    hints = get_type_hints(Policies)
    policies = [next(each for each in get_args(hints[name]) if each is not type(None)) for name in Policies.names()] + remembering()
    for part in (*ALONE, *OF_BACKENDS, *policies):
        yield () if part in ALONE else ("backend",), get_type_hints(part.statistics)["return"]


def name_of(one: Shown) -> str:
    """As Prometheus calls it."""
    return f"mcp_proxy_{one.name}_total" if one.kind == "counter" else f"mcp_proxy_{one.name}"


def told(one: Shown, labels: tuple[str, ...]) -> str:
    """What it is, and by what there is more than one of it."""
    by = [f"``{label}``" for label in dict.fromkeys((*labels, *one.labels))]
    return f"{one.help} By {' and '.join(by)}." if by else one.help


def listed(stub: str) -> Iterator[str]:
    """The lines of the public names: those that are there, and every policy and its settings."""
    head, names, tail = re.split(r"((?:^from \.policies\..*\n)+)", stub, flags=re.MULTILINE)
    known = names.splitlines(keepends=True)
    for info in pkgutil.iter_modules(sluicegate.policies.__path__):
        module = importlib.import_module(f"sluicegate.policies.{info.name}")
        own = [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]
        public = [
            kind.__name__ for kind in own if not kind.__name__.startswith("_") and (is_policy(kind) or kind.__name__.endswith("Settings"))
        ]
        known += [f"from .policies.{info.name} import {name} as {name}\n" for name in public]
    yield from (head, *sorted(set(known)), tail)


def is_policy(kind: type) -> bool:
    """A policy is an object that is called with a call and has another one inside."""
    return attrs.has(kind) and "inner" in attrs.fields_dict(kind)


def table(head: str, cls: type[attrs.AttrsInstance]) -> Iterator[str]:
    """The lines of one table, with every key: its default, or behind a '#' an example of what has none. A table in it stands elsewhere."""
    yield from commented(head, purpose_of(cls))
    sentences = sentences_of(cls)
    for field in attrs.fields(attrs.resolve_types(cls)):
        if attrs.has(field.type) or (field.type in OF_ITS_OWN):
            continue
        shown, said = f"{field.name} = {value(field)}", sentences[field.name]
        if field.default is attrs.NOTHING:
            said = f"Required; {small(said)}"
        yield from commented(f"# {shown}" if field.default is None else shown, said)


def asleep(head: str, lines: Iterator[str]) -> Iterator[str]:
    """The same behind a '#', where the head has one: a table that is not there unless it is asked for."""
    for number, line in enumerate(lines):
        yield f"#{'   ' if number else ' '}{line.replace('    # ', '# ', 1)}" if head.startswith("#") else line


def value(field: attrs.Attribute[Any]) -> str:
    """A default or an example, as TOML has it."""
    default = field.metadata["example"] if field.default is None or field.default is attrs.NOTHING else field.default
    default = default.factory() if hasattr(default, "factory") else default
    if default == {}:
        return "{}"
    if isinstance(default, Mapping):
        return "{ " + ", ".join(f"{key} = {json.dumps(number)}" for key, number in default.items()) + " }"
    return f"{default:g}" if isinstance(default, float) else json.dumps(default)


def commented(shown: str, sentence: str) -> Iterator[str]:
    """A line and what is said of it, which may go on in lines of its own."""
    first, *others = textwrap.wrap(small(sentence).replace("`", ""), _WIDTH - _COMMENT - 2, break_long_words=False)
    yield f"{shown:{_COMMENT}}# {first}" if len(shown) < _COMMENT else f"{shown}  # {first}"
    yield from (f"{'':{_COMMENT}}# {line}" for line in others)


def small(sentence: str) -> str:
    """A sentence as a remark."""
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
