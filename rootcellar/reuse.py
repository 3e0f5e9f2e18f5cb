"""Reuse: when the outputs of an earlier run can be taken over instead of running the body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.arguments import arguments_digest
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import OutputRecord, RunStarted, VersionRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.values import RunOutput
    from rootcellar.schemas.artifact import Artifact
    from rootcellar.schemas.binding import Binding
    from rootcellar.schemas.ref import Ref
    from rootcellar.staging.session import StagingSession

__all__ = ["InputContent", "reuse_key", "stands", "taken_over"]


@dataclass(frozen=True, slots=True)
class InputContent:
    """What one input holds; `digest` is None if it is optional and not there."""

    argument: str
    artifact: Artifact
    digest: Digest | None


def reuse_key(started: RunStarted, binding: Binding, inputs: Sequence[InputContent]) -> str:
    """Return the digest of everything that decides what a run makes, as far as we know it.

    Task, code of the body, plain arguments, each input's key and content, each output's key and
    the definition of its type. Packages and machine are not in it.
    """
    content = {
        "task": started.task,
        "code": started.code.source_digest if started.code else None,
        "arguments": arguments_digest(binding.plain),
        "inputs": [[i.argument, i.artifact.type_name, i.artifact.key, i.digest] for i in inputs],
        "outputs": [
            [o.spec.argument, o.spec.type.fingerprint(), o.artifact.key if o.artifact else None]
            for o in binding.outputs
        ],
    }
    return Digest.of(json.dumps(content, sort_keys=True).encode())


def stands(ref: Ref, session: StagingSession) -> bool:
    """Tell whether the object at a ref's URI is still the one that was published."""
    found = session.locate(ref.uri, ref.kind)
    return found is not None and found.pin.token == ref.pin.token


def taken_over(output: RunOutput) -> OutputRecord:
    """Return the record of an earlier run's output as the output of this one."""
    version = output.version
    return OutputRecord(
        argument=output.argument,
        ordinal=output.ordinal,
        version=VersionRecord(
            ref=version.ref,
            origin=version.origin,
            media_type=version.media_type,
            recorded_at=version.recorded_at,
            members=version.members,
            row_count=version.row_count,
            schema_fingerprint=version.schema_fingerprint,
        ),
        mode="reused",
    )
