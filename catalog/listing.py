"""Values as tables: which columns a frame made of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from rootcellar.catalog.drawing.deferred import Columnar, each
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.stored_runs import StoredRuns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rootcellar.catalog.values import ArtifactType, Run, RunInput, RunOutput, Version

_Edge = TypeVar("_Edge", "RunInput", "RunOutput")

__all__ = ["edge_table", "run_table", "type_table", "version_table"]

# What a reader asks first stands first: what does not fit is cut from the end.
_VERSION = (
    Column("type", "str"),
    Column("key", "json"),
    Column("seq", "int"),
    Column("recorded_at", "time"),
    Column("task", "str"),
    Column("size_bytes", "int"),
    Column("row_count", "int"),
    Column("is_present", "bool"),
    Column("uri", "str"),
    Column("origin", "str"),
    Column("digest", "str"),
    Column("version", "str"),
    Column("run", "str"),
)
_RUN = (
    Column("task", "str"),
    Column("state", "str"),
    Column("started_at", "time"),
    Column("seconds", "float"),
    Column("error", "str"),
    Column("downloaded_bytes", "int"),
    Column("uploaded_bytes", "int"),
    Column("hits", "int"),
    Column("misses", "int"),
    Column("download_seconds", "float"),
    Column("retries", "int"),
    Column("message", "str"),
    Column("arguments", "json"),
    Column("stage_in_seconds", "float"),
    Column("body_seconds", "float"),
    Column("stage_out_seconds", "float"),
    Column("host", "str"),
    Column("queue", "str"),
    Column("kind", "str"),
    Column("task_id", "str"),
    Column("run", "str"),
)
_TYPE = (
    Column("name", "str"),
    Column("artifacts", "int"),
    Column("uri_template", "str"),
    Column("kind", "str"),
    Column("media_type", "str"),
    Column("arguments", "json"),
    Column("registry", "str"),
    Column("rev", "int"),
    Column("declared_at", "time"),
)
_EDGE = (Column("argument", "str"), Column("ordinal", "int"), Column("how", "str"))
_MOVED = (
    Column("transferred_bytes", "int"),
    Column("seconds", "float"),
    Column("hits", "int"),
    Column("misses", "int"),
    Column("requests", "int"),
)


def version_table(
    versions: Sequence[Version], *, note: str = "", depths: Mapping[str, int] | None = None
) -> Table[Version]:
    """Return versions as a table.

    Args:
        depths: Steps by version uid; makes a first column `depth`.
    """
    if depths is None:
        return Table(_VERSION, each(versions, _version_row), versions, note)
    rows = each(versions, lambda one: (depths[one.uid], *_version_row(one)))
    return Table((Column("depth", "int"), *_VERSION), rows, versions, note)


def run_table(runs: Sequence[Run], *, note: str = "") -> Table[Run]:
    """Return runs as a table."""
    if isinstance(runs, StoredRuns):
        return Table(_RUN, Columnar(runs, _run_row, runs.array), runs, note)
    return Table(_RUN, [_run_row(one) for one in runs], runs, note)


def _run_row(one: Run) -> tuple[Any, ...]:
    return (
        one.task,
        one.state.value,
        one.started_at,
        None if one.seconds is None else round(one.seconds, 3),
        one.error.error if one.error else None,
        one.downloaded_bytes,
        one.uploaded_bytes,
        one.hits,
        one.misses,
        one.download_seconds,
        one.retries,
        one.error.message if one.error else None,
        one.arguments,
        one.phases.stage_in,
        one.phases.body,
        one.phases.stage_out,
        one.host,
        one.queue,
        one.kind,
        one.task_id,
        one.uid,
    )


def type_table(types: Sequence[ArtifactType]) -> Table[ArtifactType]:
    """Return artifact types as a table."""
    rows = [
        (
            one.name,
            one.artifacts,
            one.uri_template,
            one.kind,
            one.media_type,
            list(one.arguments),
            one.registry,
            one.rev,
            one.declared_at,
        )
        for one in types
    ]
    return Table(_TYPE, rows, types, "")


def edge_table(edges: Sequence[_Edge]) -> Table[_Edge]:
    """Return what a run read or made as a table; `how` is the cache's answer or the mode."""
    return Table((*_EDGE, *_VERSION, *_MOVED), [_edge_row(one) for one in edges], edges)


def _edge_row(one: RunInput | RunOutput) -> tuple[Any, ...]:
    absent = (None,) * len(_VERSION)
    return (
        one.argument,
        one.ordinal,
        getattr(one, "cache", "") or getattr(one, "mode", ""),
        *(absent if one.version is None else _version_row(one.version)),
        one.transferred_bytes,
        one.seconds,
        *(getattr(one, name, None) for name in ("hits", "misses", "requests")),
    )


def _version_row(one: Version) -> tuple[Any, ...]:
    return (
        one.type,
        one.key,
        one.seq,
        one.recorded_at,
        one.task,
        one.size_bytes,
        one.row_count,
        one.is_present,
        one.uri,
        one.origin,
        str(one.digest),
        one.uid,
        one.run_uid,
    )
