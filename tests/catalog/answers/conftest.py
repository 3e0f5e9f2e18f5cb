"""A small laboratory whose records tests can change one fact at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rootcellar.schemas.digest import Digest


class Laboratory:
    """Records runs hour by hour, and hands out versions of what they made."""

    def __init__(self, catalog, records):
        self.catalog, self.records, self.hour = catalog, records, 0

    def version(self, type_name, body, *, origin="run", key=None, **fields):
        """A version with these bytes, recorded an hour after the one before."""
        self.hour += 1
        at = self.records.START + timedelta(hours=self.hour)
        fields = {"origin": origin, "recorded_at": at, **fields}
        return self.records.version(type_name, {"n": 1} if key is None else key, body, **fields)

    def unread(self, type_name, state, **fields):
        """A sighting of bytes that nobody has read whole."""
        seen = self.version(type_name, state, origin="observed", **fields)
        digest = Digest.unread(seen.ref.uri, state)
        return replace(seen, ref=seen.ref.model_copy(update={"digest": digest}))

    def run(self, task, reads, writes, *, kind="task", source="code", seconds=90.0, **fields):
        """Record a run that succeeded; `reads` are versions by argument, or a list of them."""
        start = self.records.started(task=task, **self._given(source, fields))
        start = replace(start, kind=kind, code=start.code if kind == "task" else None)
        named = reads if isinstance(reads, dict) else {"source": reads}
        end = self.records.ended(start.uid, [], writes)
        inputs = [
            self.records.InputRecord(argument=name, ordinal=ordinal, version=one, cache="miss")
            for name, many in named.items()
            for ordinal, one in enumerate(many)
        ]
        end = replace(end, inputs=tuple(inputs), ended_at=start.started_at + timedelta(0, seconds))
        self.catalog.start_run(start)
        self.catalog.finish_run(end)
        return start.uid

    def _given(self, source, fields):
        code = replace(
            self.records.CODE,
            source_digest=Digest.of(source.encode()),
            git_commit=fields.pop("commit", ""),
        )
        packages = fields.pop("packages", None)
        if packages is not None:
            environment = replace(self.records.ENVIRONMENT, packages=packages)
            fields = {"environment": environment, **fields}
        return {"code": code, **fields}


@pytest.fixture
def lab(catalog, records):
    """An empty laboratory in each kind of database."""
    return Laboratory(catalog, records)


@pytest.fixture
def lab_file(sqlite_url, records):
    """An empty laboratory in a SQLite file, for what asks no new SQL."""
    from rootcellar.catalog.catalog import Catalog

    with Catalog(sqlite_url) as catalog:
        yield Laboratory(catalog, records)
