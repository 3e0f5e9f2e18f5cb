"""All members of a type as one table, read from their stores when a question asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.schemas.errors import ArtifactNotFound, RootcellarError
from rootcellar.schemas.formats.joined import (
    JoinedSource,
    Part,
    check_joinable,
    joined_dataset,
)
from rootcellar.staging.streams.streaming import StreamRequest, Streams

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyarrow.dataset import Dataset

    from rootcellar.catalog.values import Version
    from rootcellar.runtime import Runtime
    from rootcellar.schemas.artifact import Artifact
    from rootcellar.staging.streams.streaming import StreamedInput

__all__ = ["members_dataset"]


def members_dataset(
    kind: type[Artifact], versions: Collection[Version], runtime: Runtime
) -> Dataset:
    """Return versions of one type as one dataset that reads exactly these from their stores.

    Raises:
        ArtifactNotFound: There are none.
        BindingError: The format is no table that is read in parts.
        ContentError: Not the declared columns, or columns that cannot be put together.
    """
    declaration = kind.declaration
    try:
        table = check_joinable(declaration.format)
        if not versions:
            raise ArtifactNotFound(
                "no artifact with such a key is recorded",
                remedy="`rootcellar ls` shows what is; `rootcellar import` enters what was there "
                "before",
            )
        # Ends when the dataset is forgotten: its files hold it.
        streams = Streams(runtime.cache)
        sources = {one.uri: _opened(streams, one, runtime) for one in versions}
        parts = [
            Part(f"{one.uri}/{member}" if member else one.uri, key, one.schema_fingerprint)
            for one, key in ((one, _key(kind, one)) for one in versions)
            for member in sorted(sources[one.uri].sizes())
        ]
        fields = {name: field.annotation for name, field in kind.model_fields.items()}
        return joined_dataset(table, JoinedSource(sources), parts, fields)
    except RootcellarError as error:
        text = declaration.template.text
        known = (error.artifact or kind.type_name, error.uri or text)
        raise type(error)(error.problem, *known, error.remedy) from error


def _opened(streams: Streams, version: Version, runtime: Runtime) -> StreamedInput:
    wanted = StreamRequest(
        uri=version.uri,
        kind=version.kind,
        pin=version.pin,
        expected=None if version.digest.is_unread else version.digest,
        artifact=version.artifact,
        is_final=True,
    )
    address = runtime.stores.store_for(version.uri.rstrip("/"))
    return (
        streams.file(address, wanted) if wanted.kind == "file" else streams.folder(address, wanted)
    )


def _key(kind: type[Artifact], version: Version) -> dict[str, object]:
    artifact = kind.from_key(version.key)
    return {name: getattr(artifact, name) for name in kind.model_fields}
