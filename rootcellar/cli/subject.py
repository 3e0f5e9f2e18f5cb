"""From the words of a command line to the artifact, version or run that is meant.

A type and its key are `generation station=3 tilt=30`. Values are parsed by their field's type, from
the spelling they have in JSON: `3`, `1.5`, `true`, `2026-01-01`, `north`.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.values import Run, Version
from rootcellar.schemas.errors import InvalidKey, NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.values import ArtifactType
    from rootcellar.cli.project import Project
    from rootcellar.schemas.artifact import Artifact

__all__ = [
    "NamedArtifact",
    "TypeName",
    "declared_artifact",
    "find",
    "find_version",
    "key_of",
    "type_name_of",
]

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_END_OF_UID = re.compile(r"[0-9a-f-]{6,35}")
_JSON_TYPES = {"int", "float", "bool"}


@dataclass(frozen=True, slots=True)
class NamedArtifact:
    """An artifact of a type that only the catalog knows."""

    type_name: str
    key: dict[str, Any]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.key.items())
        return f"{self.type_name}({shown})"


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as the command found it.

    Attributes:
        declared: Its class, if a registry is at hand.
        fields: Its key fields and their types, as far as they are known.
    """

    name: str
    declared: type[Artifact] | None
    fields: Mapping[str, str]


def type_name_of(project: Project, name: str) -> TypeName:
    """Return the type of that name or argument name.

    Raises:
        NotInCatalog: Neither the registry nor the catalog knows it.
    """
    registry = project.registry
    if registry is not None and (name in registry or registry.serves(name)):
        found = registry.named(name)
        return TypeName(found.type_name, found, found.definition()["key"])
    recorded: list[ArtifactType] = list(project.catalog.types()) if project.is_recorded else []
    for one in recorded:
        if name == one.name or name in one.arguments:
            return TypeName(one.name, None, one.definition.get("key", {}))
    known = {one.name for one in recorded} | {t.type_name for t in registry or ()}
    near = difflib.get_close_matches(name, known, n=3) or sorted(known)[:10]
    remedy = f"Known are {', '.join(near)}" if near else "Name the Celery app with -A"
    raise NotInCatalog("there is no artifact type of that name", name, "", remedy)


def key_of(found: TypeName, words: Iterable[str]) -> dict[str, list[Any]]:
    """Return the JSON values that were given for each key field.

    Raises:
        InvalidKey: A field that the type does not have, or a value of the wrong type.
    """
    key: dict[str, list[Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word!r} is no key field. Write it as FIELD=VALUE.")
        if found.fields and name not in found.fields:
            raise InvalidKey(
                f"there is no key field {name!r}",
                found.name,
                "",
                f"The key fields are {', '.join(found.fields)}",
            )
        key.setdefault(name, []).append(_value(found, name, text))
    return key


def find(project: Project, words: Sequence[str]) -> Version | Run:
    """Return the version or run that is meant: by type and key, uid, its end, alias, or URI.

    Raises:
        NotInCatalog: It is not recorded.
    """
    catalog = project.recorded()
    if len(words) == 1 and "://" in words[0]:
        return _at_uri(project, catalog, words[0])
    if len(words) == 1 and _UID.fullmatch(words[0]):
        return catalog.version(words[0]) or _run(catalog, words[0])
    try:
        type_name_of(project, words[0])
    except NotInCatalog as error:
        if len(words) > 1:
            raise
        return _named_otherwise(catalog, words[0], error)
    return catalog.find(artifact_of(project, words))


def _named_otherwise(catalog: Catalog, word: str, error: NotInCatalog) -> Version | Run:
    """Return what is named by an alias or by the end of a uid."""
    named = _by_end(catalog, word) or _by_alias(catalog, word)
    if named is not None:
        return named
    raise NotInCatalog(
        "there is no artifact type of that name, no such alias, and no uid that ends so",
        word,
        "",
        f"{error.remedy}; `rootcellar alias` lists aliases, and of a uid the end is what counts",
    ) from error


def _by_alias(catalog: Catalog, word: str) -> Version | None:
    try:
        return catalog.aliased(word)
    except NotInCatalog:
        return None


def find_version(project: Project, words: Sequence[str]) -> Version:
    """Return the version that is meant.

    Raises:
        NotInCatalog: It is not recorded, or a run.
    """
    found = find(project, words)
    if isinstance(found, Run):
        raise NotInCatalog(
            "this is a run, not a version", "", "", f"See `rootcellar show {found.uid}`"
        )
    return found


def artifact_of(project: Project, words: Sequence[str]) -> Artifact | NamedArtifact:
    """Return the artifact that a type and its whole key name.

    Raises:
        InvalidKey: A field is missing, unknown, given twice or of the wrong type.
    """
    found = type_name_of(project, words[0])
    if found.declared is not None:
        return declared_artifact(found.declared, words[1:])
    key = _whole_key(found, words[1:])
    missing = [name for name in found.fields if name not in key]
    if missing:
        raise InvalidKey(
            f"key field {missing[0]!r}: field required",
            found.name,
            "",
            f"The key fields are {', '.join(found.fields)}",
        )
    return NamedArtifact(found.name, key)


def declared_artifact(declared: type[Artifact], words: Iterable[str]) -> Artifact:
    """Return the artifact of a declared type that the words of a whole key name.

    Raises:
        InvalidKey: A field is missing, unknown, given twice or of the wrong type.
    """
    found = TypeName(declared.type_name, declared, declared.definition()["key"])
    return declared.from_key(_whole_key(found, words))


def _whole_key(found: TypeName, words: Iterable[str]) -> dict[str, Any]:
    given = key_of(found, words)
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidKey(
                f"key field {name!r} is given {len(values)} times", found.name, "", "Give it once"
            )
    return {name: values[0] for name, values in given.items()}


def _value(found: TypeName, name: str, text: str) -> Any:
    if found.declared is None:
        is_json = found.fields.get(name) in _JSON_TYPES
        return _scalar(text, text) if is_json else text
    try:
        return found.declared.where(**{name: text}).where[name][0]
    except InvalidKey:
        # Not a spelling of a JSON string; perhaps of a number or of true and false.
        scalar = _scalar(text, None)
        if scalar is None:
            raise
        return found.declared.where(**{name: scalar}).where[name][0]


def _scalar(text: str, otherwise: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return otherwise
    return value if isinstance(value, bool | int | float) else otherwise


def _at_uri(project: Project, catalog: Catalog, uri: str) -> Version:
    try:
        return catalog.find(uri)
    except NotInCatalog:
        artifact = project.registry.at(uri) if project.registry is not None else None
        if artifact is None:
            raise
        return catalog.find(artifact)


def _run(catalog: Catalog, uid: str) -> Run:
    try:
        return catalog.run(uid)
    except NotInCatalog as error:
        raise NotInCatalog(
            f"no version and no run {uid} is recorded",
            "",
            "",
            "See `rootcellar ls --all` and `rootcellar runs`",
        ) from error


def _by_end(catalog: Catalog, end: str) -> Version | Run | None:
    """Return the only version or run whose uid ends so."""
    if not _END_OF_UID.fullmatch(end):
        return None
    found = catalog.ending(end)
    if len(found) > 1:
        raise NotInCatalog(
            f"{len(found)} uids end in {end}", "", "", "Give more of the uid, or all of it"
        )
    return found[0] if found else None
