"""The tables. Nothing cascades: deleting bytes or rows never deletes what depended on them.

Rows of `task`, `code`, `environment`, `content`, `artifact` and `artifact_key` are written once.
The one row that every writer of an artifact must lock is its `artifact_head`.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    literal_column,
    text,
)

from rootcellar.catalog.columns import BigId, CleanJson, CleanText, UtcTime
from rootcellar.schemas.record import RunState

__all__ = [
    "LocationState",
    "artifact",
    "artifact_head",
    "artifact_key",
    "artifact_type",
    "artifact_type_rev",
    "catalog_info",
    "code",
    "content",
    "environment",
    "is_not_done",
    "location",
    "metadata",
    "relay",
    "relay_open",
    "removal",
    "run",
    "run_error",
    "run_input",
    "run_output",
    "task",
    "version",
]


class LocationState(StrEnum):
    """Whether a version's bytes are still what lies at its URI, as far as was recorded."""

    PRESENT = "present"
    SUPERSEDED = "superseded"
    DELETED = "deleted"  # by a retention policy
    MISSING = "missing"  # not there when it was looked for


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _row_id() -> Column[int]:
    return Column("id", BigId, Identity(), primary_key=True)


def _refers(column: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(column, BigId, ForeignKey(f"{target}.id"), nullable=nullable)


def _edge(column: str, target: str) -> Column[int]:
    return Column(column, BigId, ForeignKey(f"{target}.id"), primary_key=True, autoincrement=False)


def _word(column: str) -> Column[str]:
    return Column(column, CleanText, nullable=False)


def _count(column: str) -> Column[int]:
    return Column(column, BigInteger, nullable=False)


def _later_count(column: str) -> Column[int]:
    """A count that rows of earlier revisions lack: 0."""
    return Column(column, BigInteger, nullable=False, server_default=text("0"))


def _index_of(condition: str, *value: str) -> Index:
    """Of key fields that fulfil this: each stands in one index, not in three."""
    given = text(condition)
    names = ("type_id", "field", *value, "artifact_id")
    return Index(None, *names, sqlite_where=given, postgresql_where=given)


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


catalog_info = Table(
    "catalog_info",
    metadata,
    Column("uid", CleanText, primary_key=True),
    Column("created_at", UtcTime, nullable=False),
)

artifact_type = Table(
    "artifact_type",
    metadata,
    _row_id(),
    _word("name"),
    Column("rev", Integer, nullable=False),  # the one declared last; 0: only seen in records
    UniqueConstraint("name"),
)

artifact_type_rev = Table(
    "artifact_type_rev",
    metadata,
    _edge("type_id", "artifact_type"),
    Column("rev", Integer, primary_key=True, autoincrement=False),
    _word("digest"),
    _word("registry"),
    Column("arguments", CleanJson, nullable=False),
    _word("uri_template"),
    _word("media_type"),
    _word("kind"),
    Column("definition", CleanJson, nullable=False),
    Column("declared_at", UtcTime, nullable=False),
    UniqueConstraint("type_id", "digest"),
    _one_of("kind", "file", "folder"),
    sqlite_with_rowid=False,
)

artifact = Table(
    "artifact",
    metadata,
    _row_id(),
    _refers("type_id", "artifact_type"),
    Column("key_digest", LargeBinary, nullable=False),
    _word("key_text"),
    UniqueConstraint("type_id", "key_digest"),
)

# One row per key field, so that a part of a key finds its artifacts in both databases alike.
artifact_key = Table(
    "artifact_key",
    metadata,
    _edge("artifact_id", "artifact"),
    Column("field", CleanText, primary_key=True),
    _refers("type_id", "artifact_type"),
    Column("v_text", CleanText),
    Column("v_int", BigInteger),
    Column("v_real", Double),
    *(_index_of(f"{name} IS NOT NULL", name) for name in ("v_text", "v_int", "v_real")),
    _index_of("v_text IS NULL AND v_int IS NULL AND v_real IS NULL"),
    sqlite_with_rowid=False,
)

content = Table(
    "content",
    metadata,
    _row_id(),
    _word("digest"),
    _word("kind"),
    _count("size_bytes"),
    Column("members", BigInteger),
    UniqueConstraint("digest", "kind"),
    _one_of("kind", "file", "folder"),
)

task = Table("task", metadata, _row_id(), _word("name"), UniqueConstraint("name"))

code = Table(
    "code",
    metadata,
    _row_id(),
    _word("digest"),
    _word("qualname"),
    _word("source_digest"),
    _word("git_commit"),
    Column("git_dirty", Boolean),
    UniqueConstraint("digest"),
)

environment = Table(
    "environment",
    metadata,
    _row_id(),
    _word("digest"),
    _word("python"),
    _word("platform"),
    _word("image"),
    Column("packages", CleanJson, nullable=False),
    UniqueConstraint("digest"),
)

_NOT_DONE = text(f"state <> '{RunState.SUCCEEDED}'")

# A run that is known only by its end has no task yet; `started_at` is then when it ended.
run = Table(
    "run",
    metadata,
    _row_id(),
    _word("uid"),
    _word("kind"),
    _refers("task_id", "task", nullable=True),
    _word("celery_task_id"),
    _word("root_id"),
    _word("parent_id"),
    _word("group_id"),
    _word("parent_run"),
    Column("retries", Integer, nullable=False),
    Column("redelivered", Boolean, nullable=False),
    _word("queue"),
    _word("state"),
    Column("arguments", CleanJson, nullable=False),
    _refers("code_id", "code", nullable=True),
    _refers("environment_id", "environment", nullable=True),
    _word("host"),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    _count("stage_in_ms"),
    _count("body_ms"),
    _count("stage_out_ms"),
    _count("downloaded_bytes"),
    _count("uploaded_bytes"),
    Column("reuse_key", CleanText),
    Column("reused_run", CleanText),
    _later_count("hits"),
    _later_count("misses"),
    _later_count("download_ms"),
    UniqueConstraint("uid"),
    _one_of("kind", "task", "session", "pull", "push", ""),
    _one_of("state", *RunState),
    Index(None, "started_at"),
    Index(None, "task_id", "started_at"),
    # Most runs succeed, and who wants those finds them by time.
    Index(None, "state", "started_at", sqlite_where=_NOT_DONE, postgresql_where=_NOT_DONE),
    Index(
        None,
        "reuse_key",
        sqlite_where=text("reuse_key IS NOT NULL"),
        postgresql_where=text("reuse_key IS NOT NULL"),
    ),
)

is_not_done = run.c.state != literal_column(f"'{RunState.SUCCEEDED}'")
"""Fulfilled by a run that is not over or did not simply succeed.

SQLite looks into the index by state only where a query says so in these very words.
"""

# Apart from `run`, so that tracebacks do not widen the table that everything reads.
run_error = Table(
    "run_error",
    metadata,
    _edge("run_id", "run"),
    _word("phase"),
    _word("error"),
    _word("message"),
    _word("traceback"),
    _word("cause"),
    Column("transient", Boolean, nullable=False),
)

# `run_id` is the one true producer. It is NULL for observed bytes, and for a version that was read
# before its producer's record arrived.
version = Table(
    "version",
    metadata,
    _row_id(),
    _word("uid"),
    _refers("artifact_id", "artifact"),
    Column("seq", Integer, nullable=False),
    _refers("content_id", "content"),
    _word("origin"),
    _refers("run_id", "run", nullable=True),
    _word("media_type"),
    Column("row_count", BigInteger),
    Column("schema_fingerprint", CleanText),
    Column("recorded_at", UtcTime, nullable=False),
    UniqueConstraint("uid"),
    UniqueConstraint("artifact_id", "seq"),
    _one_of("origin", "run", "observed"),
    Index(None, "run_id"),
    Index(None, "content_id"),
    Index(None, "recorded_at"),
)

artifact_head = Table(
    "artifact_head",
    metadata,
    _edge("artifact_id", "artifact"),
    _refers("version_id", "version", nullable=True),
    Column("recorded_at", UtcTime),
    Column("last_seq", Integer, nullable=False),
)

location = Table(
    "location",
    metadata,
    _edge("version_id", "version"),
    _word("uri"),
    Column("uri_digest", LargeBinary, nullable=False),
    _count("pin_size"),
    _word("pin_etag"),
    _word("pin_version"),
    _word("state"),
    _one_of("state", *LocationState),
    Index(None, "uri_digest"),
)

# What was deleted, and what was found to be gone. A row without `done_at` announces a deletion:
# until it is done the bytes may be there or not.
removal = Table(
    "removal",
    metadata,
    _edge("version_id", "version"),
    _word("policy"),  # empty for what vanished
    Column("asked_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    _count("freed_bytes"),
)

run_input = Table(
    "run_input",
    metadata,
    _edge("run_id", "run"),
    Column("argument", CleanText, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _refers("version_id", "version", nullable=True),
    _word("cache"),
    _count("transferred_bytes"),
    _count("duration_ms"),
    _later_count("hits"),
    _later_count("misses"),
    _later_count("requests"),
    _one_of("cache", "hit", "miss", "streamed", "none"),
    Index(None, "version_id", "run_id"),
    sqlite_with_rowid=False,
)

run_output = Table(
    "run_output",
    metadata,
    _edge("run_id", "run"),
    Column("argument", CleanText, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _refers("version_id", "version"),
    _word("mode"),
    _count("transferred_bytes"),
    _count("duration_ms"),
    _one_of("mode", "created", "reused"),
    sqlite_with_rowid=False,
)

# How far a relay has told others of runs: all up to `position`, but for those in `relay_open`.
relay = Table(
    "relay",
    metadata,
    Column("name", CleanText, primary_key=True),
    _count("position"),
    _word("holder"),
    Column("held_until", UtcTime, nullable=False),
)

# Runs of which no end was told yet. No foreign key: a row whose transaction is not committed yet
# stands here by the number that it will have.
relay_open = Table(
    "relay_open",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("is_started", Boolean, nullable=False),
    Column("since", UtcTime, nullable=False),
)
