"""A history as PROV-JSON: versions are entities, runs are activities, hosts are agents.

Source: W3C Member Submission "The PROV-JSON Serialization" of 2013. Written here and not by a
package, because it is one mapping for each kind of statement; tests read it with the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rootcellar.catalog.exchange.writing import write_json
from rootcellar.catalog.portable import Exported

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from rootcellar.catalog.exchange.history import History, Step
    from rootcellar.catalog.values import Run, Version

__all__ = ["Provenance", "provenance"]

_PREFIXES = {"uid": "urn:uuid:", "rootcellar": "urn:rootcellar:"}
_MOST_DERIVATIONS = 100_000

Statements = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """A history as a PROV-JSON document.

    Attributes:
        document: The JSON object.
        note: What was left out because of a limit; empty if nothing was.
    """

    versions: int
    runs: int
    note: str
    document: Mapping[str, Any] = field(repr=False)

    def write(self, path: str | os.PathLike[str]) -> Exported:
        """Write the document, in place of one that is there.

        Raises:
            CatalogError: It cannot be written there.
        """
        written = write_json(path, self.document)
        return Exported(path=written, versions=self.versions, runs=self.runs, note=self.note)


def provenance(history: History) -> Provenance:
    """Return a history as PROV-JSON."""
    derived, not_derived = _derivations(history)
    notes = [note for note in (history.note, not_derived) if note]
    runs = history.runs.values()
    document: dict[str, Any] = {
        "prefix": _PREFIXES,
        "entity": {
            **{_uid(one.uid): _entity(one) for one in history.versions.values()},
            **{_code_id(run): _plan(run) for run in runs if run.code},
        },
        "activity": {_uid(run.uid): _activity(run, is_cut=run.uid in history.cut) for run in runs},
        "agent": {_host_id(run.host): _agent(run.host) for run in runs if run.host},
        "used": _numbered("u", (_used(step) for step in history.read)),
        "wasGeneratedBy": _numbered("g", (_generated(step, history) for step in history.made)),
        "wasDerivedFrom": _numbered("d", iter(derived)),
        "wasAssociatedWith": _numbered("a", (_associated(run) for run in runs if run.host)),
    }
    return Provenance(
        versions=len(history.versions),
        runs=len(history.runs),
        note="; ".join(notes),
        document={name: part for name, part in document.items() if part},
    )


def _entity(version: Version) -> dict[str, Any]:
    return {
        "prov:label": str(version),
        "prov:type": _name("rootcellar:Version"),
        "prov:location": version.uri,
        "rootcellar:artifactType": version.type,
        "rootcellar:key": json.dumps(version.key, ensure_ascii=False),
        "rootcellar:digest": str(version.digest),
        "rootcellar:sizeBytes": _integer(version.size_bytes),
        "rootcellar:mediaType": version.media_type,
        "rootcellar:kind": version.kind,
        "rootcellar:origin": version.origin,
        "rootcellar:recordedAt": _time(version.recorded_at.isoformat()),
    }


def _activity(run: Run, *, is_cut: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "prov:label": run.task or run.kind or "run",
        "prov:type": _name("rootcellar:Run"),
        "prov:startTime": run.started_at.isoformat(),
        "rootcellar:state": run.state.value,
        "rootcellar:arguments": json.dumps(run.arguments, ensure_ascii=False),
    }
    if run.ended_at is not None:
        found["prov:endTime"] = run.ended_at.isoformat()
    if run.task_id:
        found["rootcellar:taskId"] = run.task_id
        found["rootcellar:retries"] = _integer(run.retries)
    if run.environment is not None:
        found["rootcellar:python"] = run.environment.python
        found["rootcellar:platform"] = run.environment.platform
        if run.environment.image:
            found["rootcellar:image"] = run.environment.image
    if is_cut:
        found["rootcellar:note"] = "inputs of this run were left out because of a limit"
    return found


def _plan(run: Run) -> dict[str, Any]:
    if run.code is None:
        return {}
    found = {
        "prov:label": run.code.qualname,
        "prov:type": _name("prov:Plan"),
        "rootcellar:sourceDigest": str(run.code.source_digest),
    }
    if run.code.git_commit:
        found["rootcellar:gitCommit"] = run.code.git_commit
    if run.code.git_dirty is not None:
        found["rootcellar:gitDirty"] = {
            "$": str(run.code.git_dirty).lower(),
            "type": "xsd:boolean",
        }
    return found


def _agent(host: str) -> dict[str, Any]:
    return {"prov:label": host, "prov:type": _name("prov:SoftwareAgent")}


def _used(step: Step) -> dict[str, Any]:
    return {
        "prov:activity": _uid(step.run),
        "prov:entity": _uid(step.version),
        "prov:role": step.argument,
    }


def _generated(step: Step, history: History) -> dict[str, Any]:
    return {
        "prov:entity": _uid(step.version),
        "prov:activity": _uid(step.run),
        "prov:time": history.versions[step.version].recorded_at.isoformat(),
        "prov:role": step.argument,
    }


def _associated(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {
        "prov:activity": _uid(run.uid),
        "prov:agent": _host_id(run.host),
        "rootcellar:pid": _integer(run.pid),
    }
    if run.code is not None:
        found["prov:plan"] = _code_id(run)
    return found


def _derivations(history: History) -> tuple[list[dict[str, Any]], str]:
    """Return which version came of which, and a note if that was too much to say.

    Of a run with many inputs and many outputs it is their product.
    """
    read: dict[str, dict[str, None]] = {}
    for step in history.read:
        read.setdefault(step.run, {})[step.version] = None
    found: list[dict[str, Any]] = []
    left_out: set[str] = set()
    for step in history.made:
        sources = read.get(step.run, {})
        if step.run in left_out or len(found) + len(sources) > _MOST_DERIVATIONS:
            left_out.add(step.run)
            continue
        found += [
            {
                "prov:generatedEntity": _uid(step.version),
                "prov:usedEntity": _uid(source),
                "prov:activity": _uid(step.run),
            }
            for source in sources
        ]
    note = f"wasDerivedFrom stopped at {len(found)}; see used and wasGeneratedBy"
    return found, note if left_out else ""


def _numbered(letter: str, statements: Iterator[dict[str, Any]]) -> Statements:
    return {f"_:{letter}{number}": one for number, one in enumerate(statements, 1)}


def _uid(uid: str) -> str:
    return f"uid:{uid}"


def _host_id(host: str) -> str:
    return f"rootcellar:host.{quote(host, safe='.-')}"


def _code_id(run: Run) -> str:
    if run.code is None:
        return ""
    parts = [str(run.code.source_digest).replace(":", "."), run.code.git_commit]
    return ".".join(
        ["rootcellar:code", *filter(None, parts), *["dirty"] * bool(run.code.git_dirty)]
    )


def _name(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _integer(number: int) -> dict[str, str]:
    return {"$": str(number), "type": "xsd:long"}


def _time(moment: str) -> dict[str, str]:
    return {"$": moment, "type": "xsd:dateTime"}
