"""Runs as OpenLineage events: a START and one end event for each run, by its own uid."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    base_subset_dataset,
    dataset_version_dataset,
    datasource_dataset,
    error_message_run,
    execution_parameters_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    storage_dataset,
    symlinks_dataset,
)

from rootcellar.catalog.exchange.facets import (
    RootcellarAttemptRunFacet,
    RootcellarCodeJobFacet,
    RootcellarStagingRunFacet,
    RootcellarVersionsDatasetFacet,
    source_location,
    table_schema,
)
from rootcellar.schemas import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rootcellar.catalog.exchange.dataset_names import DatasetName, DatasetNames
    from rootcellar.catalog.exchange.reading import WholeRun
    from rootcellar.schemas.columns import Column
    from rootcellar.schemas.record import RunEnded, RunStarted, VersionRecord

__all__ = ["Emission", "end_event", "start_event"]

_ENDS = {
    record.RunState.SUCCEEDED: RunState.COMPLETE,
    record.RunState.REUSED: RunState.COMPLETE,
    record.RunState.SKIPPED: RunState.COMPLETE,
    record.RunState.FAILED: RunState.FAIL,
    record.RunState.RETRIED: RunState.FAIL,
    record.RunState.LOST: RunState.ABORT,
}
_MOST_LISTED = 1_000
"""Versions of one dataset in one event: a fan-in of thousands must not make it megabytes."""
_MOST_CHARACTERS = 10_000
"""Of one argument, for the same reason."""


@dataclass(frozen=True, kw_only=True)
class Emission:
    """How events are named.

    Attributes:
        namespace: Of jobs.
        version: Of rootcellar.
        templates: URI template by type, as far as declared.
        parents: Task of each run that sent another, by uid.
        repositories: Where the code of each git commit is published, as far as known.
    """

    namespace: str
    names: DatasetNames
    version: str
    templates: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    repositories: Mapping[str, str] = field(default_factory=dict)

    @property
    def producer(self) -> str:
        """Our code at its version."""
        return f"urn:rootcellar:{self.version}"


def start_event(start: RunStarted, how: Emission) -> RunEvent:
    """Return the START of a run."""
    return RunEvent(
        eventType=RunState.START,
        eventTime=start.started_at.isoformat(),
        run=Run(runId=start.uid, facets=_run_facets(start, None, how)),
        job=_job(start, how),
        producer=how.producer,
    )


def end_event(whole: WholeRun, how: Emission) -> RunEvent:
    """Return the one end event of a run that has ended, with what it read and made.

    A lost run is an ABORT, a failed one that is tried again a FAIL: this run is over, the next has
    an id of its own.
    """
    start, end = whole.start, whole.end
    if start is None or end is None:
        raise AssertionError
    return RunEvent(
        eventType=_ENDS[end.state],
        eventTime=end.ended_at.isoformat(),
        run=Run(runId=start.uid, facets=_run_facets(start, end, how)),
        job=_job(start, how),
        inputs=_inputs(end, how),
        outputs=_outputs(end, how),
        producer=how.producer,
    )


def _job(start: RunStarted, how: Emission) -> Job:
    is_task = start.kind == "task"
    facets: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH",
            integration="CELERY" if is_task else "ROOTCELLAR",
            jobType="TASK" if is_task else start.kind.upper(),
            producer=how.producer,
        )
    }
    if start.code is not None:
        facets["rootcellar_code"] = RootcellarCodeJobFacet(
            qualname=start.code.qualname,
            sourceDigest=str(start.code.source_digest),
            gitCommit=start.code.git_commit or None,
            gitDirty=start.code.git_dirty,
            producer=how.producer,
        )
        commit = start.code.git_commit
        if repository := how.repositories.get(commit):
            facets["sourceCodeLocation"] = source_location(commit, repository, how.producer)
    return Job(namespace=how.namespace, name=start.task, facets=facets)


def _run_facets(start: RunStarted, end: RunEnded | None, how: Emission) -> dict[str, Any]:
    state = record.RunState.RUNNING if end is None else end.state
    facets: dict[str, Any] = {
        "rootcellar_attempt": RootcellarAttemptRunFacet(
            attempt=start.retries + 1,
            state=state.value,
            celeryTaskId=start.task_id or None,
            redelivered=start.redelivered,
            reusedRunId=(end.reused_run if end else "") or None,
            producer=how.producer,
        )
    }
    parent = how.parents.get(start.parent_run)
    if parent:
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=start.parent_run),
            job=parent_run.Job(namespace=how.namespace, name=parent),
            producer=how.producer,
        )
    if start.arguments:
        facets["executionParameters"] = _parameters(start, how)
    engine = start.environment.packages.get("celery") if start.environment else None
    if engine and start.kind == "task":
        facets["processing_engine"] = processing_engine_run.ProcessingEngineRunFacet(
            version=engine,
            name="Celery",
            openlineageAdapterVersion=how.version,
            producer=how.producer,
        )
    if end is not None:
        facets |= _end_facets(end, how)
    return facets


def _parameters(
    start: RunStarted, how: Emission
) -> execution_parameters_run.ExecutionParametersRunFacet:
    return execution_parameters_run.ExecutionParametersRunFacet(
        parameters=[
            execution_parameters_run.ExecutionParameter(key=name, value=_text(value))
            for name, value in start.arguments.items()
        ],
        producer=how.producer,
    )


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    left_out = len(text) - _MOST_CHARACTERS
    if left_out <= 0:
        return text
    return f"{text[:_MOST_CHARACTERS]}… and {left_out} characters more"


def _end_facets(end: RunEnded, how: Emission) -> dict[str, Any]:
    facets: dict[str, Any] = {
        "rootcellar_staging": RootcellarStagingRunFacet(
            stageInSeconds=end.phases.stage_in,
            bodySeconds=end.phases.body,
            stageOutSeconds=end.phases.stage_out,
            downloadedBytes=end.downloaded_bytes,
            uploadedBytes=end.uploaded_bytes,
            hits=end.hits,
            misses=end.misses,
            producer=how.producer,
        )
    }
    if end.error is not None and _ENDS[end.state] is RunState.FAIL:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=f"{end.error.error}: {end.error.message}",
            programmingLanguage="PYTHON",
            stackTrace=end.error.traceback or None,
            producer=how.producer,
        )
    return facets


def _inputs(end: RunEnded, how: Emission) -> list[InputDataset]:
    read = (item.version for item in end.inputs if item.version is not None)
    return [
        InputDataset(
            namespace=name.namespace,
            name=name.name,
            facets=_dataset_facets(name, versions, how),
            inputFacets={
                "subset": base_subset_dataset.InputSubsetInputDatasetFacet(
                    inputCondition=_partitions(versions), producer=how.producer
                ),
                "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                    rowCount=_rows(versions),
                    size=sum(one.ref.size_bytes for one in versions),
                    fileCount=sum(one.members or 1 for one in versions),
                    producer=how.producer,
                ),
            },
        )
        for name, versions in _by_dataset(read, how).items()
    ]


def _outputs(end: RunEnded, how: Emission) -> list[OutputDataset]:
    made = (item.version for item in end.outputs)
    return [
        OutputDataset(
            namespace=name.namespace,
            name=name.name,
            facets=_dataset_facets(name, versions, how),
            outputFacets={
                "subset": base_subset_dataset.OutputSubsetOutputDatasetFacet(
                    outputCondition=_partitions(versions), producer=how.producer
                ),
                "outputStatistics": _output_statistics(versions, how),
            },
        )
        for name, versions in _by_dataset(made, how).items()
    ]


def _output_statistics(
    versions: Sequence[VersionRecord], how: Emission
) -> output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet:
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=_rows(versions),
        size=sum(one.ref.size_bytes for one in versions),
        fileCount=sum(one.members or 1 for one in versions),
        producer=how.producer,
    )


def _by_dataset(
    versions: Iterable[VersionRecord], how: Emission
) -> dict[DatasetName, list[VersionRecord]]:
    """Group versions, each once, by the dataset they are of: a name may stand there only once."""
    found: dict[DatasetName, dict[str, VersionRecord]] = {}
    for one in versions:
        template = how.templates.get(one.ref.type, "")
        name = how.names.dataset(one.ref.type, template, one.ref.uri)
        found.setdefault(name, {})[one.ref.version] = one
    return {name: [*those.values()] for name, those in found.items()}


def _dataset_facets(
    name: DatasetName, versions: Sequence[VersionRecord], how: Emission
) -> dict[str, Any]:
    listed = versions[:_MOST_LISTED]
    places = dict.fromkeys(how.names.place(one.ref.uri) for one in listed)
    facets: dict[str, Any] = {
        "dataSource": datasource_dataset.DatasourceDatasetFacet(
            name=versions[0].ref.uri.partition("://")[0],
            uri=name.namespace,
            producer=how.producer,
        ),
        "storage": storage_dataset.StorageDatasetFacet(
            storageLayer=name.layer,
            fileFormat=versions[0].media_type.rpartition("/")[2].rpartition(".")[2] or None,
            producer=how.producer,
        ),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet(
            identifiers=[
                symlinks_dataset.Identifier(namespace=place.namespace, name=place.name, type="FILE")
                for place in places
            ],
            producer=how.producer,
        ),
        "rootcellar_versions": RootcellarVersionsDatasetFacet(
            versions=[
                {"uid": one.ref.version, "digest": str(one.ref.digest), "uri": one.ref.uri}
                for one in listed
            ],
            leftOut=len(versions) - len(listed),
            producer=how.producer,
        ),
    }
    if columns := _common_columns(versions):
        facets["schema"] = table_schema(columns, how.producer)
    if len(versions) == 1:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=versions[0].ref.version, producer=how.producer
        )
    return facets


def _common_columns(versions: Sequence[VersionRecord]) -> tuple[Column, ...]:
    """Return the columns of a dataset whose versions all have the same, and not too many."""
    columns = versions[0].columns
    is_one = all(one.columns == columns for one in versions)
    return columns if is_one and len(columns) <= _MOST_LISTED else ()


def _partitions(
    versions: Sequence[VersionRecord],
) -> base_subset_dataset.PartitionSubsetCondition:
    return base_subset_dataset.PartitionSubsetCondition(
        partitions=[
            base_subset_dataset.Partition(dimensions=one.ref.key, identifier=one.ref.version)
            for one in versions[:_MOST_LISTED]
        ]
    )


def _rows(versions: Sequence[VersionRecord]) -> int | None:
    counts = [one.row_count for one in versions]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
