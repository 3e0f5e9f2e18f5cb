"""What OpenLineage calls the places where artifacts lie: a namespace and a name.

Source: https://openlineage.io/docs/spec/naming, as far as it speaks of files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DatasetName", "DatasetNames", "Granularity"]

Granularity = Literal["type", "artifact"]

_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "abfss", "az": "abfss"}
_OBJECTS = {"s3", "gs", "abfss", "wasbs", "hdfs"}


class DatasetName(NamedTuple):
    """A dataset as OpenLineage names one; `layer` is the protocol it lies behind."""

    namespace: str
    name: str
    layer: str


@dataclass(frozen=True, kw_only=True)
class DatasetNames:
    """Names datasets after the stores they lie in.

    What lies in folders of a host is named by its store, as a share is by its server: a path means
    nothing elsewhere, and no path of a host leaves it.

    Attributes:
        stores: URL of each store by its name, without options.
        granularity: `type` makes all artifacts of a type one dataset, `artifact` each its own.
    """

    stores: Mapping[str, str] = field(default_factory=dict)
    granularity: Granularity = "type"

    def dataset(self, type_name: str, template: str, uri: str) -> DatasetName:
        """Return the dataset that the artifact at `uri` belongs to.

        Args:
            template: Of its type; empty if that was never declared.
        """
        if self.granularity == "artifact":
            return self.place(uri)
        scheme, _, rest = (template or uri).partition("://")
        prefix, brace, _ = rest.partition("{")
        if not template:
            prefix = type_name
        elif brace:
            # Cut at a folder: of `pv/tilt={tilt}` it is `pv`.
            prefix = prefix.rpartition("/")[0]
        return self.place(f"{scheme}://{prefix or type_name}")

    def place(self, uri: str) -> DatasetName:
        """Return how one place is named."""
        store, _, path = uri.partition("://")
        url = self.stores.get(store, "")
        if not url:
            scheme = _SAME.get(store, store)
            if scheme not in _OBJECTS:
                return DatasetName(f"file://{store}", f"/{path.lstrip('/')}", "file")
            url, path = f"{scheme}://{path.partition('/')[0]}", path.partition("/")[2]
        parts = urlsplit(url)
        scheme = _SAME.get(parts.scheme, parts.scheme)
        name = "/".join(part for part in (parts.path.strip("/"), path.strip("/")) if part)
        if scheme in _OBJECTS:
            is_path = scheme in {"hdfs", "abfss"}
            return DatasetName(
                f"{scheme}://{parts.netloc}", f"/{name}" if is_path else name, scheme
            )
        if scheme == "memory":
            return DatasetName("inmemory://", f"{store}/{path}", "memory")
        if parts.hostname:
            return DatasetName(f"file://{parts.hostname}", f"/{name}", scheme)
        return DatasetName(f"file://{store}", f"/{path.strip('/')}", "file")
