"""Pin and Ref: which bytes exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import BindingError

__all__ = ["MAPPING", "TYPE_TAG", "Kind", "Pin", "Ref"]

TYPE_TAG = "$type"
"""Marks an artifact or a ref in a message. No key looks like it: `$` cannot stand in a name."""

MAPPING = (dict, Mapping)
"""For `isinstance`: messages hold plain dicts, which takes a tenth of the time to see."""

Kind = Literal["file", "folder"]

# It stands in headers of requests, and comes in messages: a line break would begin another header.
_Token = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class Pin(BaseModel):
    """One state of one object in its store: what a read is held to.

    Attributes:
        etag: The store's change token, without quotes; empty where the store has none.
        version_id: The store's own version id; empty where the store keeps no versions.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    size_bytes: int = Field(ge=0)
    etag: _Token = ""
    version_id: _Token = ""

    @property
    def token(self) -> str:
        """The strongest evidence there is, with its kind: `version:…`, `etag:…` or `size:…`."""
        if self.version_id:
            return f"version:{self.version_id}"
        return f"etag:{self.etag}" if self.etag else f"size:{self.size_bytes}"


class Ref(BaseModel):
    """A type, a key and an exact version: what travels from task to task.

    Small JSON without host paths or secrets. Enough to stage the version without a catalog.

    Attributes:
        type: The artifact type's name.
        key: The key fields as JSON values.
        uri: The logical URI the version was published at.
        version: Uid of the version row, a UUID.
        digest: Of the file, or of the folder's manifest.
        pin: The object at `uri` (for a folder: its manifest object) when it was published.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    type: str
    key: dict[str, Any]
    uri: str
    version: str
    kind: Kind
    digest: Digest
    size_bytes: int = Field(ge=0)
    pin: Pin

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value!r}" for name, value in self.key.items())
        return f"{self.type}({key}) version {self.version}"

    def __hash__(self) -> int:
        return hash(self.version)

    def apart(self) -> Self:
        """Return an equal ref with a key of its own, for whoever might change that."""
        return self.model_copy(update={"key": dict(self.key)})

    def __json__(self) -> dict[str, Any]:
        """Return what kombu's JSON serializer puts into a message."""
        fields = self.model_dump(mode="json")
        return {TYPE_TAG: fields.pop("type"), **fields}

    @classmethod
    def is_ref(cls, value: object) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a message value is a ref: tagged with a type, and holding a version."""
        return isinstance(value, MAPPING) and TYPE_TAG in value and "version" in value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a ref out of a message.

        Raises:
            BindingError: The mapping is not a whole ref.
        """
        fields = {str(name): part for name, part in value.items() if name != TYPE_TAG}
        if "type" in fields:
            raise _damaged(value, "it names its type twice")
        try:
            return cls.model_validate({"type": value.get(TYPE_TAG), **fields})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise _damaged(value, f"{place}: {first['msg']}") from error


def _damaged(value: Mapping[str, Any], reason: str) -> BindingError:
    name, uri = str(value.get(TYPE_TAG, "")), str(value.get("uri", ""))
    return BindingError(f"this ref is damaged: {reason}", name, uri, "Pass refs on unchanged")
