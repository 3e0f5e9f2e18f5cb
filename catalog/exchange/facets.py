"""Facets of our own, for what OpenLineage has no words, and those of code and columns.

The schemas of our own are in docs/reference/openlineage-facets.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attr
from openlineage.client.facet_v2 import schema_dataset, source_code_location_job
from openlineage.client.generated.base import DatasetFacet, JobFacet, RunFacet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.schemas.columns import Column

__all__ = [
    "RootcellarAttemptRunFacet",
    "RootcellarCodeJobFacet",
    "RootcellarStagingRunFacet",
    "RootcellarVersionsDatasetFacet",
    "source_location",
    "table_schema",
]

_SCHEMA = "urn:rootcellar:openlineage:1-0-0:facets"


@attr.define
class RootcellarAttemptRunFacet(RunFacet):
    """Which attempt at which message a run was: each attempt is a run of its own."""

    attempt: int
    state: str
    celeryTaskId: str | None = None  # noqa: N815 - as OpenLineage spells
    redelivered: bool = False
    reusedRunId: str | None = None  # noqa: N815 - as above

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}#/$defs/RootcellarAttemptRunFacet"


@attr.define
class RootcellarStagingRunFacet(RunFacet):
    """What staging took."""

    stageInSeconds: float  # noqa: N815 - as above
    bodySeconds: float  # noqa: N815 - as above
    stageOutSeconds: float  # noqa: N815 - as above
    downloadedBytes: int  # noqa: N815 - as above
    uploadedBytes: int  # noqa: N815 - as above
    hits: int
    misses: int

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}#/$defs/RootcellarStagingRunFacet"


@attr.define
class RootcellarCodeJobFacet(JobFacet):
    """Evidence of which code ran."""

    qualname: str
    sourceDigest: str  # noqa: N815 - as above
    gitCommit: str | None = None  # noqa: N815 - as above
    gitDirty: bool | None = None  # noqa: N815 - as above

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}#/$defs/RootcellarCodeJobFacet"


@attr.define
class RootcellarVersionsDatasetFacet(DatasetFacet):
    """The exact versions that a run read or made of a dataset, and how many more there were."""

    versions: list[dict[str, str]]
    leftOut: int = 0  # noqa: N815 - as above

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}#/$defs/RootcellarVersionsDatasetFacet"


def source_location(
    commit: str, repository: str, producer: str
) -> source_code_location_job.SourceCodeLocationJobFacet:
    """Return where the code of a commit is to be read."""
    host = urlsplit(repository).hostname or ""
    inside = {"github.com": "/tree/", "gitlab.com": "/-/tree/"}.get(host)
    return source_code_location_job.SourceCodeLocationJobFacet(
        type="git",
        url=f"{repository}{inside}{commit}" if inside else repository,
        repoUrl=repository,
        version=commit,
        producer=producer,
    )


def table_schema(columns: Sequence[Column], producer: str) -> schema_dataset.SchemaDatasetFacet:
    """Return the columns of a table, with Arrow's names of their types."""
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(
                name=one.name, type=one.full_type, ordinal_position=position
            )
            for position, one in enumerate(columns, start=1)
        ],
        producer=producer,
    )
