"""ml-metadata: one call per run that enters the execution, its events and its new artifacts."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["record"]

INPUTS, OUTPUTS = 3, 2
BYTES = 20_000


def record(folder: str, times: int) -> list[float]:
    """Within a fresh process: seconds of each of so many runs, which read what others made."""
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as pb

    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = f"{folder}/mlmd.sqlite"
    config.sqlite.connection_mode = 3  # may be created
    store = metadata_store.MetadataStore(config)
    type_id, task_id = _types(store, pb)
    known = [_artifact(pb, type_id, -number) for number in range(1, INPUTS + 1)]
    for one, row_id in zip(known, store.put_artifacts(known), strict=True):
        one.id = row_id
    seconds = []
    for number in range(times):
        execution = pb.Execution(type_id=task_id, last_known_state=pb.Execution.State.COMPLETE)
        execution.properties["tilt"].int_value = number
        execution.properties["code"].string_value = "0" * 40
        made = [_artifact(pb, type_id, number * OUTPUTS + side) for side in range(OUTPUTS)]
        pairs = [(one, pb.Event(type=pb.Event.INPUT, artifact_id=one.id)) for one in known]
        pairs += [(one, pb.Event(type=pb.Event.OUTPUT)) for one in made]
        begun = time.perf_counter()
        _, ids, _ = store.put_execution(execution, pairs, [])
        seconds.append(time.perf_counter() - begun)
        for one, row_id in zip(made, ids[INPUTS:], strict=True):
            one.id = row_id
        known = [*known, *made][-INPUTS:]
    return seconds


def _types(store: Any, pb: Any) -> tuple[int, int]:
    artifact_type, execution_type = pb.ArtifactType(name="product"), pb.ExecutionType(name="make")
    for name in ("digest", "etag"):
        artifact_type.properties[name] = pb.STRING
    artifact_type.properties["size_bytes"] = pb.INT
    execution_type.properties["tilt"] = pb.INT
    execution_type.properties["code"] = pb.STRING
    return store.put_artifact_type(artifact_type), store.put_execution_type(execution_type)


def _artifact(pb: Any, type_id: int, number: int) -> Any:
    one = pb.Artifact(
        type_id=type_id, uri=f"bench://product/{number}", state=pb.Artifact.State.LIVE
    )
    one.properties["digest"].string_value = f"sha256:{abs(number):064x}"
    one.properties["etag"].string_value = f"{abs(number):032x}"
    one.properties["size_bytes"].int_value = BYTES
    return one
