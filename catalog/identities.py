"""Rows that name things: types, tasks, codes, environments. Written once, then known by id.

Their ids are kept per process and looked up before a run's own transaction begins, so that no
worker waits for another to name a task that both run.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from rootcellar.catalog.canonical import clean_text, digest_of
from rootcellar.catalog.schema_tables import table_schema
from rootcellar.catalog.table_facts import schema_rows
from rootcellar.catalog.tables import artifact_type, artifact_type_rev, code, environment, task
from rootcellar.catalog.upserts import chunks, insert_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Table

    from rootcellar.catalog.engine import Database
    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.record import CodeIdentity, Environment, TypeRecord, VersionRecord


__all__ = ["Identities"]

_MANY = 1_000
"""Codes and schemas that are kept by value; a process that meets more is a strange one."""


class Identities:
    """Ids of named rows in one database, each asked for once per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[tuple[str, str], int] = {}
        self._codes: dict[CodeIdentity, int] = {}
        self._environment: tuple[Environment, int] | None = None
        self._schemas: set[str] = set()

    def types(self, names: Iterable[str]) -> dict[str, int]:
        """Return type ids by name; a type nobody declared yet is entered by its name."""
        rows = {clean_text(name): {"rev": 0} for name in names}
        return self._named(artifact_type, "name", rows) if rows else {}

    def task(self, name: str) -> int:
        """Return the id of a task name."""
        return self._one(task, "name", clean_text(name), {})

    def code(self, identity: CodeIdentity | None) -> int | None:
        """Return the id of a code identity."""
        if identity is None:
            return None
        found = self._codes.get(identity)
        if found is None:
            fields = asdict(identity)
            found = self._one(code, "digest", digest_of(fields), fields)
            if len(self._codes) < _MANY:
                self._codes[identity] = found
        return found

    def environment(self, where: Environment | None) -> int | None:
        """Return the id of an environment."""
        if where is None:
            return None
        # By identity: a process has one, and comparing a thousand packages takes its time.
        if self._environment is None or self._environment[0] is not where:
            fields = asdict(where)
            self._environment = where, self._one(environment, "digest", digest_of(fields), fields)
        return self._environment[1]

    def schemas(self, records: Sequence[VersionRecord]) -> None:
        """Enter the columns of tables, each schema once per process."""
        fresh = [one for one in records if one.schema_fingerprint not in self._schemas]
        rows = schema_rows(fresh) if fresh else []
        if rows:
            self._database.record(lambda connection: insert_missing(connection, table_schema, rows))
            if len(self._schemas) > _MANY:
                self._schemas.clear()
            # Only what is committed may be remembered.
            self._schemas.update(row["fingerprint"] for row in rows)

    def declare(self, records: Iterable[TypeRecord]) -> None:
        """Enter each type's definition as its current revision, if it is not that already."""
        declared = {record.name: record for record in records}
        ids = self.types(sorted(declared))
        wanted = {
            ids[clean_text(name)]: (digest_of(asdict(record)), record)
            for name, record in declared.items()
        }
        current = self._database.read(lambda connection: _current_digests(connection, list(wanted)))
        changed = [
            type_id for type_id in sorted(wanted) if current.get(type_id) != wanted[type_id][0]
        ]
        if changed:
            self._database.record(
                lambda connection: _declare(connection, {key: wanted[key] for key in changed})
            )

    def _one(self, table: Table, column: str, value: str, fields: Mapping[str, Any]) -> int:
        found = self._ids.get((table.name, value))
        return self._named(table, column, {value: fields})[value] if found is None else found

    def _named(
        self, table: Table, column: str, rows: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, int]:
        unknown = sorted(name for name in rows if (table.name, name) not in self._ids)
        if unknown:
            found = self._database.read(lambda connection: _ids(connection, table, column, unknown))
            missing = [{**rows[name], column: name} for name in unknown if name not in found]
            if missing:
                self._database.record(lambda connection: insert_missing(connection, table, missing))
                found = self._database.read(
                    lambda connection: _ids(connection, table, column, unknown)
                )
            # Only what is committed may be remembered.
            self._ids.update({(table.name, name): row_id for name, row_id in found.items()})
        return {name: self._ids[table.name, name] for name in rows}


def _ids(connection: Executes, table: Table, column: str, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(names):
        query = select(table.c[column], table.c.id).where(table.c[column].in_(some))
        found.update((name, row_id) for name, row_id in connection.execute(query))
    return found


def _current_digests(connection: Executes, type_ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for some in chunks(type_ids):
        query = (
            select(artifact_type.c.id, artifact_type_rev.c.digest)
            .join(
                artifact_type_rev,
                (artifact_type_rev.c.type_id == artifact_type.c.id)
                & (artifact_type_rev.c.rev == artifact_type.c.rev),
            )
            .where(artifact_type.c.id.in_(some))
        )
        found.update((type_id, digest) for type_id, digest in connection.execute(query))
    return found


def _declare(connection: Executes, wanted: Mapping[int, tuple[str, TypeRecord]]) -> None:
    for type_id, (digest, record) in wanted.items():
        # Two processes may declare the same new revision; the second finds the first's.
        connection.execute(
            select(artifact_type.c.id).where(artifact_type.c.id == type_id).with_for_update()
        )
        revisions = artifact_type_rev.c
        rev = connection.execute(
            select(revisions.rev).where(revisions.type_id == type_id, revisions.digest == digest)
        ).scalar()
        if rev is None:
            last = connection.execute(
                select(func.max(revisions.rev)).where(revisions.type_id == type_id)
            ).scalar()
            rev = (last or 0) + 1
            insert_missing(connection, artifact_type_rev, [_revision(type_id, rev, digest, record)])
        connection.execute(
            update(artifact_type).where(artifact_type.c.id == type_id).values(rev=rev)
        )


def _revision(type_id: int, rev: int, digest: str, record: TypeRecord) -> dict[str, Any]:
    fields = asdict(record)
    fields.pop("name")
    return {
        **fields,
        "arguments": list(record.arguments),
        "type_id": type_id,
        "rev": rev,
        "digest": digest,
        "declared_at": datetime.now(UTC),
    }
