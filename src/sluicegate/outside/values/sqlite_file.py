"""The SQLite database of a store: its tables, and what is done to them. All of this blocks, and belongs into a thread."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import attrs

__all__ = ["SqliteFile"]

APPLICATION = 0x534C4743
"""SLGC: whatever else is in a file, we leave alone."""
FORMAT = 1
"""Of the tables; those of another version are thrown away."""
LOCKED_MS = 100
"""So long another process may keep it locked."""
SLICE = 256
"""Values that are thrown away in one go."""
_SCHEMA = """
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS kept;
CREATE TABLE kept (space BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, until REAL NOT NULL);
CREATE UNIQUE INDEX kept_key ON kept (space, key);
CREATE INDEX kept_until ON kept (until);
PRAGMA application_id = {application};
PRAGMA user_version = {version};
COMMIT;
"""
_PUT = "INSERT OR REPLACE INTO kept (space, key, value, until) VALUES (?, ?, ?, ?)"


@attrs.define(eq=False)
class SqliteFile:
    """An open database. Every method raises `sqlite3.Error` or `OSError`."""

    _database: sqlite3.Connection

    @classmethod
    def open(cls, path: Path) -> SqliteFile:
        """Open it, or make it; its owner alone can read it."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite would let everybody read it; its other files get the same mode
        database = sqlite3.connect(path, timeout=LOCKED_MS / 1000, isolation_level=None, check_same_thread=False)
        try:
            found = cls(database)
            found._prepare(path)
        except BaseException:
            database.close()
            raise
        return found

    def _prepare(self, path: Path) -> None:
        ours, version = self._pragma("application_id"), self._pragma("user_version")
        if ours != APPLICATION and self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError(f"'{path}' is the database of another program")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        if (ours, version) != (APPLICATION, FORMAT):
            self._database.executescript(_SCHEMA.format(application=APPLICATION, version=FORMAT))

    def _pragma(self, name: str) -> int:
        return int(self._database.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Let go of it."""
        self._database.close()

    def prove(self) -> None:
        """That it can be written to."""
        self._database.execute(_PUT, (b"", b"", b"", 0.0))

    def read(self, space: bytes, keys: Sequence[bytes], now: float) -> list[bytes | None]:
        """All of one moment, and none whose time is over."""
        marks = ",".join("?" * len(keys))
        rows = self._database.execute(
            f"SELECT key, value FROM kept WHERE space = ? AND until > ? AND key IN ({marks})",  # noqa: S608  nothing but marks
            (space, now, *keys),
        )
        found: dict[bytes, bytes] = dict(rows.fetchall())
        return [found.get(key) for key in keys]

    def write(self, space: bytes, key: bytes, value: bytes, until: float) -> bool:
        """Keep a value."""
        self._database.execute(_PUT, (space, key, value, until))
        return True

    def add(self, space: bytes, key: bytes, value: bytes, now: float, until: float) -> bytes:
        """Keep a value unless there is one; the one that is there then."""
        self._database.execute("DELETE FROM kept WHERE space = ? AND key = ? AND until <= ?", (space, key, now))
        self._database.execute(_PUT.replace("REPLACE", "IGNORE"), (space, key, value, until))
        return self.read(space, (key,), now)[0] or value

    def swap(self, space: bytes, key: bytes, old: bytes, new: bytes, until: float) -> bool:
        """Keep a value in the place of another one, if that is there."""
        return (
            self._database.execute(
                "UPDATE kept SET value = ?, until = ? WHERE space = ? AND key = ? AND value = ?", (new, until, space, key, old)
            ).rowcount
            == 1
        )

    def delete(self, space: bytes, key: bytes) -> bool:
        """Keep it no longer."""
        self._database.execute("DELETE FROM kept WHERE space = ? AND key = ?", (space, key))
        return True

    def purge(self, now: float) -> bool:
        """Throw a slice of those away whose time is over. Whether there may be more."""
        gone = self._database.execute("DELETE FROM kept WHERE rowid IN (SELECT rowid FROM kept WHERE until <= ? LIMIT ?)", (now, SLICE))
        return gone.rowcount == SLICE

    def measure(self, space: bytes) -> tuple[int, int]:
        """How many values a space has, and their bytes; what has no key is none."""
        count, room = self._database.execute(
            "SELECT count(*), ifnull(sum(length(value)), 0) FROM kept WHERE space = ? AND key != x''", (space,)
        ).fetchone()
        return int(count), int(room)

    def shrink(self, space: bytes) -> None:
        """Throw a slice of those away that were written first."""
        self._database.execute(
            "DELETE FROM kept WHERE rowid IN (SELECT rowid FROM kept WHERE space = ? AND key != x'' ORDER BY rowid LIMIT ?)", (space, SLICE)
        )
