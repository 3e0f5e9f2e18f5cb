"""Artifact: its subclasses declare kinds of files, its instances name one each."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from rootcellar.schemas.declaration import (
    Declaration,
    check_names,
    declared,
    field_adapter,
    snake_case,
)
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.keyvalue import canonical, from_json, to_json, type_text
from rootcellar.schemas.ref import TYPE_TAG
from rootcellar.schemas.shown import shown

if TYPE_CHECKING:
    from rootcellar.schemas.formats.format import Format
    from rootcellar.schemas.retention import Retention

__all__ = ["Artifact", "Declaration", "Selection", "snake_case"]

_A = TypeVar("_A", bound="Artifact")

_LONGEST_UID = "0" * 36
_PLAIN = frozenset({int, str, bool})


@dataclass(frozen=True, slots=True)
class Selection:
    """All artifacts of a type whose key fits; which they are is asked when the run starts.

    Attributes:
        where: Key fields to the values allowed for each, as JSON values. Fields left out are free.
    """

    type: type[Artifact]
    where: Mapping[str, tuple[Any, ...]]

    def __json__(self) -> dict[str, Any]:
        """Return what kombu's JSON serializer puts into a message."""
        return {TYPE_TAG: self.type.type_name, "where": {k: list(v) for k, v in self.where.items()}}


class Artifact(BaseModel):
    """One member of an artifact type. Subclass it to declare a type, with its key as fields.

    Frozen, hashable, equal by type and key. Key values are strict: `1`, `True` and `"1"` never
    stand for each other. Equal values have one form: aware times are kept in UTC.

    A class that says neither `uri` nor `format` nor `name` declares no type; others inherit fields
    and methods from it. A subclass of a declared type declares another, with a URI of its own.

    Class keywords:
        uri: The type's URI template, such as `raw://weather/{station:02d}.dat`.
        format: What is in the file; an instance of one of `rootcellar.schemas.formats`.
        name: The type's name in the catalog and on the command line; `snake_case` of the class
            if left out.
        retention: Which versions are kept, such as `Retention(last=3)`; all if left out.

    Raises:
        DeclarationError: While the class is defined: no URI or format, an unknown or missing
            placeholder, a key field of an unsupported type, with a reserved name, an alias or a
            default that no artifact could have. Or while an instance is made of a class that
            declares no type.
        InvalidKey: While an instance is made: a value of the wrong type, or one that could climb
            out of the template or address something else.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    type_name: ClassVar[str] = ""
    declaration: ClassVar[Declaration]

    def __init_subclass__(
        cls,
        *,
        uri: str = "",
        format: Format | None = None,  # noqa: A002 - the public keyword
        name: str = "",
        retention: Retention | None = None,
    ) -> None:
        # Pydantic hands the keywords to both hooks. This one tells type checkers about them, and
        # comes before pydantic warns of reserved names; only the other one sees the fields.
        super().__init_subclass__()
        annotations = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - from Python 3.14 on it would look names up
        check_names(cls, (n for n, a in annotations.items() if "ClassVar" not in str(a)), uri)

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        if not (keywords or cls.type_name):
            return
        type_name = keywords.get("name") or snake_case(cls.__name__)
        cls.declaration = declared(
            cls,
            type_name=type_name,
            uri=keywords.get("uri", ""),
            file_format=keywords.get("format"),
            retention=keywords.get("retention"),
            config=Artifact.model_config,
        )
        cls.type_name = type_name

    def __init__(self, /, **key: Any) -> None:
        if not self.type_name:
            raise DeclarationError(
                "this class declares no artifact type",
                type(self).__name__,
                "",
                "Subclass it with uri=… and format=…",
            )
        try:
            super().__init__(**key)
        except ValidationError as error:
            raise _invalid_key(type(self), error) from error
        for name in type(self).model_fields:
            self.__dict__[name] = canonical(self.__dict__[name])
        self.uri_for(_LONGEST_UID)  # the template refuses hostile values

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Return `cls(**values)`: an artifact is never made without checks."""
        return cls(**values)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:  # noqa: ARG002 - pydantic's signature; key values are immutable
        """Return the artifact with some key fields changed, checked like any other."""
        return type(self)(**{**self._values(), **(update or {})})

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields}

    @classmethod
    def from_key(cls, value: object) -> Self:
        """Return the artifact that a caller means by `value`.

        Args:
            value: A mapping of all key fields, or the bare value if there is just one field, or
                `{}` if there is none. JSON spellings of dates, UUIDs and enums are understood; no
                other conversion is.

        Raises:
            InvalidKey: It is no key of this type.
        """
        given: Any = value
        if type(given) is cls:
            return given
        if type(given) is dict:  # as a ref has it
            kinds = tuple(map(type, given.values()))
            given = tuple(given.items())
        else:
            kinds = (type(given),)
        if _PLAIN.issuperset(kinds):
            found: Self = _from_plain(cls, given, *kinds)
            return found
        return cls._from_key(value)

    @classmethod
    def _from_key(cls, value: object) -> Self:
        if not isinstance(value, Mapping):
            if len(cls.model_fields) != 1 or isinstance(value, Artifact):
                raise InvalidKey(
                    f"{shown(value)} is no key of this type",
                    cls.type_name,
                    cls.declaration.template.text,
                    _how_to_pass(cls),
                )
            if isinstance(value, str) and value.startswith(f"{cls.declaration.template.scheme}://"):
                raise InvalidKey(
                    f"{shown(value)} is a URI, not a key",
                    cls.type_name,
                    cls.declaration.template.text,
                    "Pass the key, or what parse(uri) of the type gives",
                )
            value = {next(iter(cls.model_fields)): value}
        return cls(**{str(name): cls.decode_field(str(name), part) for name, part in value.items()})

    @classmethod
    def decode_field(cls, name: str, value: object) -> object:
        """Return the value that a JSON spelling of one key field stands for.

        Whatever is no such spelling comes back as it is, to be refused where an instance is made.
        """
        field = cls.model_fields.get(name)
        return value if field is None else canonical(from_json(field.annotation, value))

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Return the artifact that lives at `uri`.

        Raises:
            InvalidKey: The template cannot render this URI.
        """
        match = cls.declaration.template.match(uri)
        if match is None:
            raise InvalidKey(
                f"the template {cls.declaration.template.text} does not render this URI",
                cls.type_name,
                uri,
                "Check spelling and zero-padding",
            )
        return cls(**match.key)

    @classmethod
    def where(cls, /, **fields: object) -> Selection:
        """Return all artifacts whose key fits, as the argument of a call.

        Args:
            fields: For each key field a value or a list of values. The catalog is asked for those
                that exist when the run starts, so the message stays small.

        Raises:
            InvalidKey: An unknown field, or a value that no artifact of this type has.
        """
        return Selection(cls, {name: cls._allowed(name, value) for name, value in fields.items()})

    @classmethod
    def _allowed(cls, name: str, value: object) -> tuple[Any, ...]:
        template = cls.declaration.template
        if name not in cls.model_fields:
            remedy = f"The key fields are {', '.join(cls.model_fields) or 'none'}"
            problem = f"there is no key field {name!r}"
            raise InvalidKey(problem, cls.type_name, template.text, remedy)
        values = value if isinstance(value, list | tuple | set | frozenset | range) else [value]
        adapter = field_adapter(cls, name)
        found: dict[Any, None] = {}
        for one in values:
            try:
                checked = canonical(adapter.validate_python(cls.decode_field(name, one)))
                template.check(name, checked)
            except ValidationError as error:
                raise _invalid_key(cls, error, field=name) from error
            except InvalidKey as error:
                raise InvalidKey(
                    error.problem, cls.type_name, template.text, error.remedy
                ) from error
            found[to_json(checked)] = None
        return tuple(found)

    @property
    def key(self) -> dict[str, Any]:
        """The key fields as JSON values, in the order of declaration."""
        return {name: to_json(value) for name, value in self._values().items()}

    @property
    def uri(self) -> str:
        """The logical URI; for a template with `{version}`, with that placeholder left in."""
        return self.declaration.template.outline(self._values())

    def uri_for(self, version: str) -> str:
        """Return the logical URI of one version; `version` is ignored where the template has none.

        Raises:
            InvalidKey: A value of the key would climb out of the template.
        """
        template = self.declaration.template
        try:
            return template.render(self._values(), version=version)
        except InvalidKey as error:
            raise InvalidKey(error.problem, self.type_name, template.text, error.remedy) from error

    def __json__(self) -> dict[str, Any]:
        """Return what kombu's JSON serializer puts into a message."""
        return {TYPE_TAG: self.type_name, "key": self.key}

    def __str__(self) -> str:
        return repr(self)

    @classmethod
    def definition(cls) -> dict[str, Any]:
        """Return all that makes two revisions of this type differ, as JSON values."""
        retention = cls.declaration.retention
        return {
            "uri": cls.declaration.template.text,
            "key": {name: _field_text(cls, name) for name in cls.model_fields},
            "format": {
                "name": type(cls.declaration.format).__name__,
                "media_type": cls.declaration.format.media_type,
                **cls.declaration.format.definition(),
            },
            "documentation": cls.declaration.documentation,
            **({} if retention is None else {"retention": retention.definition()}),
        }

    @classmethod
    def fingerprint(cls) -> Digest:
        """Return the digest of the definition, without what no file shows."""
        unseen = {"documentation", "retention"}
        definition = {k: v for k, v in cls.definition().items() if k not in unseen}
        return Digest.of(json.dumps(definition, sort_keys=True).encode())


@functools.lru_cache(maxsize=4096)
def _from_plain(cls: type[_A], value: object, *kinds: type) -> _A:  # noqa: ARG001  # 1 and True are two keys
    """Return the artifact of a bare value, or of a key's items.

    A task is called with the same ones again and again.
    """
    return cls._from_key(dict(value) if isinstance(value, tuple) else value)


def _field_text(cls: type[Artifact], name: str) -> str:
    """Return `int` or, with a default, `int = 30`."""
    field = cls.model_fields[name]
    text = type_text(field.annotation)
    return text if field.is_required() else f"{text} = {to_json(field.default)!r}"


def _how_to_pass(cls: type[Artifact]) -> str:
    if not cls.model_fields:
        return f"It has no key fields: pass {{}} or {cls.__name__}()"
    return f"Pass a mapping of its key fields: {', '.join(cls.model_fields)}"


def _invalid_key(
    artifact_type: type[Artifact], error: ValidationError, *, field: str = ""
) -> InvalidKey:
    """Say in one sentence what pydantic found first; a field too many before one too few."""
    found = error.errors(include_url=False, include_context=False)
    # A misspelt field is both, and the misspelling is what helps.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    name = field or ".".join(str(part) for part in first["loc"][:1])
    if first["type"] == "extra_forbidden":
        first = {**first, "msg": "there is no such field"}
    wordless = {"missing", "extra_forbidden"}
    given = "" if first["type"] in wordless else f", not {shown(first['input'])}"
    return InvalidKey(
        f"key field {name!r}: {first['msg'][:1].lower()}{first['msg'][1:]}{given}",
        artifact_type.type_name,
        artifact_type.declaration.template.text,
        f"The key fields are {', '.join(artifact_type.model_fields) or 'none'}",
    )
