"""What was current at a moment: the catalog as it stood then, as far as it is recorded now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import func, select

from rootcellar.catalog import listing, lookup, names
from rootcellar.catalog.answers.asking import cut_note, type_conditions
from rootcellar.catalog.canonical import short_digest
from rootcellar.catalog.drawing.deferred import Deferred
from rootcellar.catalog.resolving import resolve
from rootcellar.catalog.tables import artifact, location, version
from rootcellar.catalog.wording import minute
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.names import TypeName
    from rootcellar.catalog.resolving import Subject
    from rootcellar.catalog.values import Owner, Version

__all__ = ["View"]

_T = TypeVar("_T")


class _Reads(Protocol):
    def __call__(self, work: Callable[[Connection], _T], /) -> _T: ...


@dataclass(frozen=True, repr=False)
class View:
    """What was current at a moment.

    A version is current from when it was made, or first seen, until the next one of its artifact.
    Records that arrived late count from when the thing happened.

    Attributes:
        when: The moment; what was made then is in.
    """

    when: datetime
    _read: _Reads
    _owner: Owner

    def __repr__(self) -> str:
        return f"<View of the catalog at {minute(self.when)}>"

    def versions(
        self, type_name: TypeName | None = None, /, *, max_rows: int = 10_000, **key: Any
    ) -> Table[Version]:
        """Return the versions that were current, sorted by type and key.

        Args:
            type_name: A type, by its name or its class, or None for all.
            max_rows: The table's note says if there are more.
            **key: Values of key fields; a list allows each of its members.

        Raises:
            NotInCatalog: No such type, or its keys have no such field.
        """
        name = names.optional_type(type_name)

        def find(connection: Connection) -> Table[Version]:
            query = self._current(*type_conditions(connection, name, key))
            ids = connection.execute(query.limit(max_rows + 1)).scalars().all()
            rows = lookup.version_rows(connection, ids[:max_rows])
            ordered = [rows[row_id] for row_id in lookup.in_order(rows, dict.fromkeys(rows, 0))]
            found = Deferred(ordered, lambda row: lookup.version_of(row, self._owner))
            return listing.version_table(found, note=cut_note(len(ids), max_rows))

        return self._read(find)

    def find(self, x: Subject) -> Version:
        """Return the version of `x` that was current: of an artifact, or at a logical URI.

        A version, its uid or a ref stand for their artifact.

        Raises:
            NotInCatalog: It was not there yet, or is not recorded at all.
        """

        def find(connection: Connection) -> Version:
            now = resolve(connection, self._owner, x)
            is_uri = isinstance(x, str) and "://" in x
            query = self._at(now.uri) if is_uri else self._current(_same_artifact(now))
            ids = connection.execute(query.limit(1)).scalars().all()
            if not ids:
                raise NotInCatalog(
                    f"nothing of it was recorded by {minute(self.when)}",
                    now.artifact,
                    now.uri,
                    "Ask for a later time; Catalog.history() shows when it was made",
                )
            return lookup.versions_by_id(connection, self._owner, ids)[ids[0]]

        return self._read(find)

    def _current(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """Return the ids of versions that were heads, chosen as heads are."""
        place = (
            func.row_number()
            .over(
                partition_by=version.c.artifact_id,
                order_by=(version.c.recorded_at.desc(), version.c.seq.desc()),
            )
            .label("place")
        )
        then = (
            select(version.c.id, place)
            .join(artifact, artifact.c.id == version.c.artifact_id)
            .where(version.c.recorded_at <= self.when, *conditions)
            .subquery()
        )
        return select(then.c.id).where(then.c.place == 1).order_by(then.c.id)

    def _at(self, uri: str) -> Select[Any]:
        return (
            select(version.c.id)
            .join(location, location.c.version_id == version.c.id)
            .where(location.c.uri_digest == short_digest(uri), version.c.recorded_at <= self.when)
            .order_by(version.c.recorded_at.desc(), version.c.id.desc())
        )


def _same_artifact(one: Version) -> ColumnElement[bool]:
    of = select(version.c.artifact_id).where(version.c.uid == one.uid).scalar_subquery()
    return version.c.artifact_id == of
