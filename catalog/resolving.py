"""From whatever names a version to the version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rootcellar.catalog import lookup
from rootcellar.catalog.aliases import aliased_uid
from rootcellar.catalog.values import ArtifactLike, Version
from rootcellar.schemas.errors import NotInCatalog
from rootcellar.schemas.ref import Ref

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.values import Owner

__all__ = ["Subject", "resolve"]

Subject = str | Version | Ref | Mapping[str, Any] | ArtifactLike
"""What lineage can be asked of: a version, its uid or alias, a ref, an artifact, or a URI.

A mapping is a ref as tasks return it.
"""


def resolve(connection: Connection, owner: Owner, subject: Subject) -> Version:
    """Return the version that is meant: for an artifact its head, for a URI the newest there.

    Raises:
        NotInCatalog: Nothing is recorded under that name, or it is no name of a version.
    """
    match subject:
        case Version():
            return _of_uid(connection, owner, subject.uid, name=str(subject), uri=subject.uri)
        case Ref():
            return _of_uid(connection, owner, subject.version, name=str(subject), uri=subject.uri)
        case Mapping() if Ref.is_ref(subject):
            return resolve(connection, owner, Ref.from_json(dict(subject)))
        case str() if "://" in subject:
            return _at(connection, owner, subject)
        case str():
            return _of_uid(connection, owner, subject)
        case _ if hasattr(subject, "type_name") and hasattr(subject, "key"):
            return _head_of(connection, owner, subject)
        case _:
            raise NotInCatalog(
                f"a {type(subject).__name__} names no version",
                remedy="Pass a version, its uid, a ref, an artifact or a logical URI",
            )


def _of_uid(
    connection: Connection, owner: Owner, uid: str, *, name: str = "", uri: str = ""
) -> Version:
    found = lookup.version(connection, owner, uid)
    if found is not None:
        return found
    if name:
        raise NotInCatalog(
            "this version is not recorded here", name, uri, "Open the catalog that its run wrote to"
        )
    aliased = aliased_uid(connection, uid)
    if aliased is not None:
        return _of_uid(connection, owner, aliased)
    if lookup.type_id(connection, uid) is not None:
        remedy = f"It is an artifact type: see Catalog.versions({uid!r})"
    else:
        remedy = "Pass a whole uid, an artifact or a logical URI; see Catalog.versions()"
    raise NotInCatalog(f"no version {uid!r} is recorded", remedy=remedy)


def _at(connection: Connection, owner: Owner, uri: str) -> Version:
    found = lookup.newest_at(connection, owner, uri)
    if found is None:
        raise NotInCatalog(
            "no version of it is recorded",
            uri=uri,
            remedy="Check the URI: it begins with a store's name, as in Version.uri",
        )
    return found


def _head_of(connection: Connection, owner: Owner, artifact: ArtifactLike) -> Version:
    found = lookup.head(connection, owner, type_name=artifact.type_name, key=artifact.key)
    if found is None:
        raise NotInCatalog(
            "no version of it is recorded",
            str(artifact),
            remedy="Run the task that makes it, or push it",
        )
    return found
