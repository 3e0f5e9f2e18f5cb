"""Describing: which columns a table has, and what is known of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog import table_facts
from rootcellar.catalog.drawing.table import Column as Shown
from rootcellar.catalog.drawing.table import Table
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.resolving import Subject, resolve

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.values import Version
    from rootcellar.schemas.columns import Column, ColumnStatistics

__all__ = ["Describing"]

_SCHEMA = (Shown("name", "str"), Shown("type", "str"), Shown("nullable", "bool"))
_STATISTICS = (
    Shown("name", "str"),
    Shown("type", "str"),
    Shown("null_count", "int"),
    Shown("minimum", "json"),
    Shown("maximum", "json"),
)


class Describing(Ledger):
    """What a version holds, as far as that is recorded; see `Catalog`."""

    def schema(self, x: Subject, /) -> Table[Column]:
        """Return the columns of a table: name, type and nullability, in order.

        Empty where the version is no table, and where its columns were not recorded; the note says
        which. Of a folder only where all members have the same.
        """

        def find(connection: Connection) -> Table[Column]:
            version = resolve(connection, self._owner, x)
            columns = _columns(connection, version)
            rows = [(one.name, one.type, one.nullable) for one in columns]
            return Table(_SCHEMA, rows, columns, "" if rows else _why_none(version))

        return self._read(find)

    def statistics(self, x: Subject, /) -> Table[ColumnStatistics]:
        """Return nulls, least and greatest value of columns, as the file told when it was made.

        Of Parquet files, and of folders of such with the same columns. Nested columns are left out,
        and so are those beyond the 200th.
        """

        def find(connection: Connection) -> Table[ColumnStatistics]:
            version = resolve(connection, self._owner, x)
            types = {one.name: one.type for one in _columns(connection, version)}
            told = table_facts.statistics(connection, [version.uid]).get(version.uid, ())
            rows = [
                (one.name, types.get(one.name), one.null_count, one.minimum, one.maximum)
                for one in told
            ]
            note = "" if rows else "nothing of its values was recorded"
            return Table(_STATISTICS, rows, told, note)

        return self._read(find)


def _columns(connection: Connection, version: Version) -> tuple[Column, ...]:
    fingerprint = version.schema_fingerprint
    if not fingerprint:
        return ()
    return table_facts.schemas(connection, [fingerprint]).get(fingerprint, ())


def _why_none(version: Version) -> str:
    if version.schema_fingerprint:
        return f"of its schema only the digest was recorded, {version.schema_fingerprint}"
    return f"no schema was recorded of {version.media_type}"
