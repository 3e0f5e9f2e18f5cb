"""Declaration: what the class statement of an artifact type must and must not say."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.formats.format import Format, require_format
from rootcellar.schemas.retention import Retention
from rootcellar.schemas.templates.template import UriTemplate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["Declaration", "check_names", "declared", "field_adapter", "snake_case"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a class statement says about its artifact type."""

    template: UriTemplate
    format: Format
    documentation: str
    retention: Retention | None = None


def snake_case(name: str) -> str:
    """Return `pv_yield` for `PvYield` and `html_page` for `HTMLPage`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.lower()


def field_adapter(cls: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Return what checks one key field by itself, its constraints included."""
    field = cls.model_fields[name]
    annotation: Any = field.annotation
    for one in field.metadata:
        annotation = Annotated[annotation, one]
    return TypeAdapter(annotation, config={"strict": True})


def check_names(cls: type[BaseModel], names: Iterable[str], uri: str) -> None:
    """Check the names of key fields.

    Raises:
        DeclarationError: One means something for every artifact.
    """
    for name in names:
        if name == "version" or any(hasattr(above, name) for above in cls.__bases__):
            raise DeclarationError(
                f"the key field name {name!r} is reserved", cls.__name__, uri, "Rename it"
            )


def declared(
    cls: type[BaseModel],
    *,
    type_name: str,
    uri: str,
    file_format: object,
    retention: object,
    config: object,
) -> Declaration:
    """Return the declaration of a class that pydantic has read.

    Args:
        config: The pydantic configuration that the class must have.

    Raises:
        DeclarationError: Something is missing, contradicts a promise of `Artifact`, or is wrong in
            the template.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", type_name):
        raise DeclarationError(
            f"{type_name!r} cannot name a type",
            cls.__name__,
            uri,
            "Pass name=… with lower-case letters, digits and underscores",
        )
    if not uri or file_format is None:
        raise DeclarationError(
            "a type needs both a URI template and a format",
            cls.__name__,
            uri,
            f'Write class {cls.__name__}(Artifact, uri="store://…", format=…)',
        )
    if cls.model_config != config:
        raise DeclarationError(
            "it changes pydantic's configuration, on which its promises rest",
            cls.__name__,
            uri,
            "Leave model_config out",
        )
    if cls.__private_attributes__:
        raise DeclarationError(
            f"{next(iter(cls.__private_attributes__))!r} would be state beside the key",
            cls.__name__,
            uri,
            "Leave it out, or make it a ClassVar",
        )
    check_names(cls, cls.model_fields, uri)
    _check_fields(cls, uri)
    annotations = {name: field.annotation for name, field in cls.model_fields.items()}
    try:
        template = UriTemplate.parse(uri, annotations)
    except DeclarationError as error:
        raise DeclarationError(error.problem, cls.__name__, uri, error.remedy) from error
    _check_defaults(cls, template)
    kept = _check_retention(cls, retention, uri)
    documentation = inspect.cleandoc(cls.__doc__ or "")
    return Declaration(template, require_format(file_format, cls.__name__), documentation, kept)


def _check_retention(cls: type[BaseModel], given: object, uri: str) -> Retention | None:
    if given is None or isinstance(given, Retention):
        return given
    raise DeclarationError(
        f"{given!r:.80} is no retention",
        cls.__name__,
        uri,
        "Write retention=Retention(last=3), for instance",
    )


def _check_fields(cls: type[BaseModel], uri: str) -> None:
    for name, field in cls.model_fields.items():
        if not cls.__pydantic_complete__ and _is_unresolved(field):
            raise DeclarationError(
                f"the type of key field {name!r} cannot be resolved",
                cls.__name__,
                uri,
                "Import it at run time, above the class",
            )
        if field.alias or field.validation_alias or field.serialization_alias:
            raise DeclarationError(
                f"the key field {name!r} has an alias",
                cls.__name__,
                uri,
                "Give the field the one name it is known by",
            )
        if field.default_factory is not None:
            # The caller and the worker would each make a default of their own.
            raise DeclarationError(
                f"the default of key field {name!r} is made anew for each artifact",
                cls.__name__,
                uri,
                "Give it a constant, or none",
            )


def _is_unresolved(field: FieldInfo) -> bool:
    return isinstance(field.annotation, str | ForwardRef)


def _check_defaults(cls: type[BaseModel], template: UriTemplate) -> None:
    for name, field in cls.model_fields.items():
        if field.default is PydanticUndefined:
            continue
        try:
            field_adapter(cls, name).validate_python(field.default)
            template.check(name, field.default)
        except (ValidationError, InvalidKey) as error:
            raise DeclarationError(
                f"the default of key field {name!r} is none of its values",
                cls.__name__,
                template.text,
                "Give it one that an artifact could have, or none",
            ) from error
