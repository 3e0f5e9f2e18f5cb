"""A history as a Process Run Crate: metadata that describe files where they lie, and who made them.

Source: Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5) over RO-Crate 1.1. Written
here and not by a package, as it is one mapping for each thing; tests read it with the package.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rootcellar.catalog.exchange.history import History, Step
    from rootcellar.catalog.values import Run, Version
    from rootcellar.schemas.record import CodeIdentity

__all__ = ["crate"]

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
_STATUS = {
    RunState.RUNNING: "http://schema.org/ActiveActionStatus",
    RunState.SUCCEEDED: "http://schema.org/CompletedActionStatus",
    RunState.REUSED: "http://schema.org/CompletedActionStatus",
    RunState.SKIPPED: "http://schema.org/CompletedActionStatus",
}
_FAILED = "http://schema.org/FailedActionStatus"
_IN_URIS = ":/?#[]@!$&'()*+,;=%~"

Entity = dict[str, Any]


def crate(history: History) -> dict[str, Any]:
    """Return the metadata document of a history's crate."""
    places = _places(history.versions.values())
    data = [_data(one, places[one.uid]) for one in history.versions.values()]
    tools: dict[str, Entity] = {}
    actions: list[Entity] = []
    arguments: list[Entity] = []
    read, made = _by_run(history.read, places), _by_run(history.made, places)
    for run in history.runs.values():
        given = _arguments(run)
        arguments += given
        tools.setdefault(_tool_id(run), _tool(run))
        objects = [*read.get(run.uid, ()), *(one["@id"] for one in given)]
        action = _action(run, is_cut=run.uid in history.cut)
        results = _refer(made.get(run.uid, ()))
        actions.append({**action, "object": _refer(objects), "result": results})
    return {
        "@context": _CONTEXT,
        "@graph": [
            _descriptor(),
            _root(history, places, data=data, actions=actions),
            {
                "@id": _PROFILE,
                "@type": "CreativeWork",
                "name": "Process Run Crate",
                "version": "0.5",
            },
            *data,
            *tools.values(),
            *actions,
            *arguments,
        ],
    }


def _descriptor() -> Entity:
    return {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }


def _root(
    history: History, places: Mapping[str, str], *, data: list[Entity], actions: list[Entity]
) -> Entity:
    left_out = f" Not all of it: {history.note}." if history.note else ""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"History of {history.target}",
        "description": (
            f"How {history.target} was made: {len(history.versions)} versions of files and "
            f"folders, and the {len(history.runs)} runs between them.{left_out}"
        ),
        "datePublished": datetime.now(UTC).isoformat(timespec="seconds"),
        "conformsTo": {"@id": _PROFILE},
        "mainEntity": {"@id": places[history.target.uid]},
        "hasPart": _refer(one["@id"] for one in data),
        "mentions": _refer(one["@id"] for one in actions),
    }


def _places(versions: Iterable[Version]) -> dict[str, str]:
    """Return each version's identifier by uid: its URI, unless a newer one has taken that."""
    newest: dict[str, Version] = {}
    ordered = sorted(versions, key=lambda one: (one.recorded_at, one.uid))
    for one in ordered:
        newest[_uri(one)] = one
    return {
        one.uid: _uri(one) if newest[_uri(one)] is one else f"{_uri(one)}#{one.uid}"
        for one in ordered
    }


def _uri(version: Version) -> str:
    uri = quote(version.uri, safe=_IN_URIS)
    return f"{uri.rstrip('/')}/" if version.kind == "folder" else uri


def _data(version: Version, place: str) -> Entity:
    found: Entity = {
        "@id": place,
        "@type": "File" if version.kind == "file" else ["Dataset", "Collection"],
        "name": str(version),
        "identifier": f"urn:uuid:{version.uid}",
        "contentSize": str(version.size_bytes),
        "encodingFormat": version.media_type,
        "dateCreated": version.recorded_at.isoformat(),
    }
    if version.members is not None:
        found["description"] = f"{version.members} files"
    if version.digest.algorithm == "sha256":
        # Of a folder it is the digest of its manifest.
        found["sha256"] = version.digest.partition(":")[2]
    elif not version.digest.is_unread:
        found["identifier"] = [found["identifier"], str(version.digest)]
    return found


def _tool_id(run: Run) -> str:
    task = quote(run.task or run.kind or "unknown", safe=".-")
    if run.code is None:
        return f"#task-{task}"
    return f"#task-{task}-{run.code.source_digest.replace(':', '-')}-{_commit(run.code)}".rstrip(
        "-"
    )


def _commit(code: CodeIdentity) -> str:
    dirty = "-dirty" if code.git_dirty else ""
    return f"{code.git_commit}{dirty}" if code.git_commit else ""


def _tool(run: Run) -> Entity:
    found: Entity = {
        "@id": _tool_id(run),
        "@type": "SoftwareApplication",
        "name": run.task or run.kind or "unknown",
    }
    if run.code is not None:
        found["alternateName"] = run.code.qualname
        found["softwareVersion"] = _commit(run.code) or str(run.code.source_digest)
        found["identifier"] = str(run.code.source_digest)
    if run.environment is not None:
        found["softwareRequirements"] = f"Python {run.environment.python}"
    return found


def _by_run(steps: Iterable[Step], places: Mapping[str, str]) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {}
    for step in steps:
        found.setdefault(step.run, {})[places[step.version]] = None
    return found


def _action(run: Run, *, is_cut: bool) -> Entity:
    status = _STATUS.get(run.state, _FAILED)
    found: Entity = {
        "@id": f"urn:uuid:{run.uid}",
        "@type": "CreateAction",
        "name": f"Run of {run.task or run.kind or 'an unknown task'}",
        "description": _description(run, is_cut=is_cut),
        "instrument": {"@id": _tool_id(run)},
        "startTime": run.started_at.isoformat(),
        "actionStatus": {"@id": status},
    }
    if run.ended_at is not None:
        found["endTime"] = run.ended_at.isoformat()
    if run.error is not None and status == _FAILED:
        found["error"] = f"{run.error.error}: {run.error.message}"
    if run.environment is not None and run.environment.image:
        found["containerImage"] = run.environment.image
    return found


def _description(run: Run, *, is_cut: bool) -> str:
    given = ", ".join(f"{name}={_text(value)}" for name, value in run.arguments.items())
    where = f" on {run.host}" if run.host else ""
    left_out = "; inputs were left out because of a limit" if is_cut else ""
    return f"{run.task or run.kind}({given}){where}{left_out}"


def _arguments(run: Run) -> list[Entity]:
    return [
        {
            "@id": f"#argument-{run.uid}-{quote(name, safe='')}",
            "@type": "PropertyValue",
            "name": name,
            "value": value if isinstance(value, str | int | float) else _text(value),
        }
        for name, value in run.arguments.items()
    ]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _refer(ids: Iterable[str]) -> list[dict[str, str]]:
    return [{"@id": one} for one in ids]
