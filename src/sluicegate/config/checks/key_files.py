"""Whether files hold keys by which signatures can be compared (CFG-92)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path

from ...settings.identity import IssuerSettings
from ..documents import Unreadable
from ..problem import Problem
from ..regular_files import regular_bytes

__all__ = ["key_file_rules"]

_LARGEST = 1024 * 1024


def key_file_rules(path: str, issuer: IssuerSettings) -> Iterator[Problem]:
    """What is wrong with the files of one issuer."""
    nameless: Counter[str] = Counter()
    for index, name in enumerate(issuer.key_files):
        for what in _faults(name, issuer, nameless):
            yield Problem(None, None, f"{path}.key_files[{index}]", what, "name a JSON Web Key Set, or a public key or certificate in PEM")
    if nameless:
        yield from _too_many(path, nameless)


def _too_many(path: str, nameless: Mapping[str, int]) -> Iterator[Problem]:
    from ...identity.signing_keys import MOST_TRIED

    algorithm, count = max(nameless.items(), key=itemgetter(1))
    if count > MOST_TRIED:
        what = f"{count} keys without a name are for {algorithm}, and a token is compared with {MOST_TRIED} at most"
        yield Problem(
            None, None, f"{path}.key_files", what, "leave old keys out, or name a JSON Web Key Set, in which keys have names (kid)"
        )


def _faults(name: str, issuer: IssuerSettings, nameless: Counter[str]) -> Iterator[str]:
    from ...identity.signing_keys import UnreadableKeys, read_key_file  # 60 ms, which nobody pays whose keys are elsewhere

    try:
        keys = read_key_file(regular_bytes(Path(name), _LARGEST))
    except (Unreadable, UnreadableKeys) as why:
        yield f"'{name}' holds no keys: {why}"
        return
    yield from (f"'{name}': {remark}" for remark in keys.remarks)
    taken = frozenset(issuer.algorithms)
    nameless.update(algorithm for key in keys.keys if key.id is None for algorithm in sorted(key.algorithms & taken))
    if not any(key.algorithms & taken for key in keys.keys):
        yield f"'{name}' has keys, and none of them is for an algorithm that is taken ({', '.join(issuer.algorithms)})"
