"""Facets of our own, for what OpenLineage has no words.

Their schemas are in docs/reference/openlineage-facets.json.
"""

from __future__ import annotations

import attr
from openlineage.client.generated.base import DatasetFacet, JobFacet, RunFacet

__all__ = [
    "RootcellarAttemptRunFacet",
    "RootcellarCodeJobFacet",
    "RootcellarStagingRunFacet",
    "RootcellarVersionsDatasetFacet",
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
