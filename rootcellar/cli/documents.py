"""What `--json` prints of each thing: names that stay, JSON values, times as ISO 8601 in UTC."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootcellar.catalog.values import Run, RunInput, RunOutput, Version
    from rootcellar.staging.holdings import Holding

__all__ = [
    "edge_document",
    "holding_document",
    "run_document",
    "time_text",
    "version_document",
]


def version_document(version: Version) -> dict[str, Any]:
    """Return all fields of a version."""
    return {
        "version": version.uid,
        "type": version.type,
        "key": version.key,
        "seq": version.seq,
        "uri": version.uri,
        "kind": version.kind,
        "digest": str(version.digest),
        "size_bytes": version.size_bytes,
        "members": version.members,
        "row_count": version.row_count,
        "media_type": version.media_type,
        "schema_fingerprint": version.schema_fingerprint,
        "pin": version.pin.model_dump(mode="json"),
        "is_present": version.is_present,
        "state": version.state,
        "origin": version.origin,
        "task": version.task,
        "run": version.run_uid,
        "recorded_at": time_text(version.recorded_at),
    }


def run_document(run: Run) -> dict[str, Any]:
    """Return all fields of a run but its inputs and outputs."""
    return {
        "run": run.uid,
        "kind": run.kind,
        "task": run.task,
        "state": run.state.value,
        "started_at": time_text(run.started_at),
        "ended_at": time_text(run.ended_at),
        "seconds": run.seconds,
        "phases": asdict(run.phases),
        "downloaded_bytes": run.downloaded_bytes,
        "uploaded_bytes": run.uploaded_bytes,
        "hits": run.hits,
        "misses": run.misses,
        "download_seconds": run.download_seconds,
        "arguments": run.arguments,
        "task_id": run.task_id,
        "root_id": run.root_id,
        "parent_id": run.parent_id,
        "group_id": run.group_id,
        "parent_run": run.parent_run,
        "retries": run.retries,
        "redelivered": run.redelivered,
        "queue": run.queue,
        "host": run.host,
        "pid": run.pid,
        "code": _code(run),
        "environment": asdict(run.environment) if run.environment else None,
        "reuse_key": run.reuse_key,
        "reused_run": run.reused_run,
        "error": asdict(run.error) if run.error else None,
    }


def edge_document(edge: RunInput | RunOutput) -> dict[str, Any]:
    """Return what a run read or made under one argument."""
    return {
        "argument": edge.argument,
        "ordinal": edge.ordinal,
        "how": getattr(edge, "cache", "") or getattr(edge, "mode", ""),
        "transferred_bytes": edge.transferred_bytes,
        "seconds": edge.seconds,
        "hits": getattr(edge, "hits", None),
        "misses": getattr(edge, "misses", None),
        "requests": getattr(edge, "requests", None),
        "version": None if edge.version is None else version_document(edge.version),
    }


def holding_document(holding: Holding) -> dict[str, Any]:
    """Return all that is known of an entry of the host's cache."""
    return {
        "digest": str(holding.digest),
        "size_bytes": holding.size_bytes,
        "state": holding.state,
        "is_leased": holding.is_leased,
        "leased_by": list(holding.leased_by),
        "uris": list(holding.uris),
        "released_at": time_text(holding.released_at),
    }


def _code(run: Run) -> dict[str, Any] | None:
    if run.code is None:
        return None
    return {**asdict(run.code), "source_digest": str(run.code.source_digest)}


def time_text(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, with a Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
