"""Json: one JSON document, plain or held to a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, is_dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin, is_typeddict

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import (
    PydanticInvalidForJsonSchema,
    PydanticUndefinedAnnotation,
    PydanticUserError,
)
from pydantic_core import PydanticSerializationError, from_json, to_jsonable_python

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats.content import (
    copy_file,
    not_loadable,
    not_savable,
    reason,
    require_content,
    require_file,
    shortened,
)
from rootcellar.schemas.formats.format import Description
from rootcellar.schemas.formats.preview import TextPreview

if TYPE_CHECKING:
    from rootcellar.schemas.ref import Kind

__all__ = ["Json"]

_CHOICES = "dict, list, a pydantic model, a dataclass"
_CONTAINERS = (Mapping, Sequence, AbstractSet, BaseModel)
_PREVIEW_WIDTH = 200


@dataclass(frozen=True, slots=True)
class Json:
    """One JSON document in UTF-8, as RFC 8259 has it: no NaN and no infinity.

    Loads as `dict`, `list`, any such type with arguments (`dict[str, float]`), a pydantic model, a
    dataclass or a `TypedDict`. Saves the same, and copies the file at a `Path`. Times, UUIDs and
    the like are written as pydantic writes them.

    Args:
        model: What every document must fit: a pydantic model or another type pydantic can check.

    Raises:
        DeclarationError: Nothing pydantic can check.
    """

    kind: ClassVar[Kind] = "file"
    media_type: ClassVar[str] = "application/json"

    model: Any = None
    _adapter: TypeAdapter[Any] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        adapter = None if self.model is None else _adapter_or_none(self.model)
        if self.model is not None and adapter is None:
            raise DeclarationError(
                f"{self.model!r} is no type that JSON can be checked against",
                "",
                "",
                "Give a pydantic model, a dataclass or a type such as dict[str, float]",
            )
        object.__setattr__(self, "_adapter", adapter)

    def definition(self) -> dict[str, Any]:
        """Return the JSON schema of the model, if one is declared.

        Raises:
            DeclarationError: The model has a part that JSON Schema has no words for.
        """
        if self._adapter is None:
            return {"format": "json", "model": None}
        try:
            return {"format": "json", "model": self._adapter.json_schema()}
        except PydanticInvalidForJsonSchema as error:
            raise DeclarationError(
                f"the model of its format has no JSON schema: {shortened(str(error))}",
                "",
                "",
                "Use types that JSON can hold",
            ) from error

    def can_load(self, target: object) -> bool:
        """Tell whether `target` is a container, model, dataclass or typed dict of JSON values.

        Scalars are not: as annotations they ask for a key.
        """
        is_model = self._adapter is not None and target == self.model
        return is_model or (_is_document(target) and _adapter_or_none(target) is not None)

    def can_save(self, value: object) -> bool:
        """Tell whether `value` is a container, model or dataclass, or a path."""
        if isinstance(value, str | bytes | bytearray | memoryview | type):
            return False
        # No sets: their order, and so the file's digest, differs from process to process.
        return isinstance(value, Mapping | Sequence | BaseModel | Path) or is_dataclass(value)

    def load(self, path: Path, target: Any) -> object:
        """Return the document as `target`, after a check against the model.

        Raises:
            BindingError: `target` is nothing that JSON is loaded as.
            ContentError: Not JSON, or it does not fit the model or `target`.
        """
        if not self.can_load(target):
            raise not_loadable("JSON", target, _CHOICES)
        text, _document = self._read(path)
        return _fitted(TypeAdapter(target), text)

    def default_load(self, path: Path) -> object:
        """Return an instance of the model, or without one the dict or list that is there.

        Raises:
            ContentError: Not JSON, or it does not fit the model.
        """
        _text, document = self._read(path)
        return document

    def save(self, value: object, path: Path) -> None:
        """Write the document in the order it has, or copy a file.

        Raises:
            ContentError: Another type, not a number, or it does not fit the model.
        """
        if isinstance(value, Path):
            copy_file(value, path)
            return
        if not self.can_save(value):
            raise not_savable("JSON", value, _CHOICES)
        try:
            text = json.dumps(
                self._plain(value), allow_nan=False, ensure_ascii=False, default=to_jsonable_python
            )
            path.write_bytes(f"{text}\n".encode())
        except ContentError:
            raise
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            raise ContentError(
                f"it cannot be written as JSON: {reason(error, path)}",
                "",
                "",
                "Give finite numbers, strings, lists and dicts with names for keys",
            ) from error

    def validate(self, path: Path) -> None:
        """Read the document and hold it against the model.

        Raises:
            ContentError: Empty, not JSON, or it does not fit the model.
        """
        self._read(path)

    def describe(self, path: Path) -> Description:
        """Return the size, and the fingerprint of the model's JSON schema.

        Raises:
            ContentError: No file.
        """
        size_bytes = require_file(path)
        if self._adapter is None:
            return Description(size_bytes=size_bytes)
        schema = json.dumps(self.definition(), sort_keys=True).encode()
        return Description(size_bytes=size_bytes, schema_fingerprint=Digest.of(schema))

    def preview(self, path: Path, rows: int = 10) -> TextPreview:
        """Return the first lines of the document, indented.

        Raises:
            ContentError: Empty or not JSON.
        """
        lines = json.dumps(_parsed(_bytes(path)), ensure_ascii=False, indent=2).splitlines()
        text = "\n".join(line[:_PREVIEW_WIDTH] for line in lines[:rows])
        return TextPreview(text, is_cut=len(lines) > rows)

    def _read(self, path: Path) -> tuple[bytes, object]:
        text = _bytes(path)
        # Also before a model sees it: pydantic would take NaN for a number.
        document = _parsed(text)
        return text, document if self._adapter is None else _fitted(self._adapter, text)

    def _plain(self, value: object) -> object:
        if self._adapter is None:
            return value
        try:
            document = self._adapter.validate_python(value)
        except ValidationError as error:
            raise _unfitting(error) from error
        # As Python objects: as text, pydantic would write NaN as null.
        return self._adapter.dump_python(document, mode="json")


def _bytes(path: Path) -> bytes:
    require_content(path, "Write a JSON document; the smallest are {} and []")
    return path.read_bytes()


def _parsed(text: bytes) -> object:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ContentError(
            f"it is not JSON: {shortened(str(error))}",
            "",
            "",
            "Write one document in UTF-8, without NaN or infinity",
        ) from error


def _fitted(adapter: TypeAdapter[Any], text: bytes) -> object:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise _unfitting(error) from error


def _unfitting(error: ValidationError) -> ContentError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    problem = f"at {place}: {first['msg']}" if place else first["msg"]
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ContentError(
        f"it does not fit its model: {shortened(problem)}{others}",
        "",
        "",
        "Correct the document or the model",
    )


def _adapter_or_none(target: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(target)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return None


def _is_document(target: object) -> bool:
    origin = get_origin(target) or target
    if not isinstance(origin, type) or issubclass(origin, str | bytes | bytearray):
        return False
    is_container = issubclass(origin, _CONTAINERS) or is_dataclass(origin) or is_typeddict(origin)
    return is_container and not any(_names_path(argument) for argument in get_args(target))


def _names_path(argument: object) -> bool:
    """Tell whether an annotation such as `list[Path]` asks for paths, not for content."""
    if isinstance(argument, type) and issubclass(argument, PathLike):
        return True
    return any(_names_path(inner) for inner in get_args(argument))
