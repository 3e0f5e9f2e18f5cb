"""Questions about many things: what was when, what failed, what is missing, what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.catalog import names
from rootcellar.catalog.answers import costs, failings, grids, twins
from rootcellar.catalog.answers.asking import check_limit
from rootcellar.catalog.answers.moments import View
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.times import moment_of

if TYPE_CHECKING:
    from rootcellar.catalog.answers.failings import Failures
    from rootcellar.catalog.drawing.table import Row, Table
    from rootcellar.catalog.names import TypeName
    from rootcellar.catalog.times import Moment

__all__ = ["Surveying"]


class Surveying(Ledger):
    """What was current when, what failed, what there is twice or not at all; see `Catalog`."""

    def at(self, when: Moment) -> View:
        """Return what was current at a moment, to be asked for versions.

        Args:
            when: An aware time, a day, ISO text, or a span before now. What has no zone is UTC, and
                of a day its beginning is meant.

        Raises:
            CatalogError: It is no time, or a naive one.
        """
        return View(moment_of(when), self._read, self._owner)

    def failures(
        self,
        task: str | None = None,
        since: Moment | None = None,
        *,
        limit: int = 1_000,
    ) -> Failures:
        """Return the runs that failed or were lost, the last started first.

        Its `groups` is a table of how often each error struck, first and last, with an example.

        Args:
            task: Of this task only: its whole name, or the end of it after a dot.
            since: Started at or after a time, or within a span until now, such as `"7d"`; as `at`.
            limit: The table's note says if there are more; `groups` counts them all.

        Raises:
            NotInCatalog: No such task ran.
        """
        check_limit("limit", limit)
        start = names.since(since)
        return self._read(
            lambda connection: failings.failures(
                connection, self._owner, name=task, since=start, limit=limit
            )
        )

    def duplicates(self, type_name: TypeName | None = None, /, *, limit: int = 1_000) -> Table[Row]:
        """Return one row per content that several versions have, what costs most first.

        `places` counts the URIs where it is now, `extra_bytes` what all but one of them take, and
        `which` names the artifacts, twenty at most.

        Args:
            type_name: Look at versions of this type only.
            limit: The table's note says if there are more.

        Raises:
            NotInCatalog: No such type.
        """
        check_limit("limit", limit)
        name = names.optional_type(type_name)
        return self._read(
            lambda connection: twins.duplicates(connection, type_name=name, limit=limit)
        )

    def gaps(
        self, *, have: TypeName, lack: TypeName, limit: int = 10_000, **key: Any
    ) -> Table[Row]:
        """Return the keys of current artifacts of one type for which there is none of another.

        Two keys belong together if they agree in all fields that both types have. Each row is a key
        of `have`, ready to be passed on: `for key in gaps: simulate.delay(**key)`.

        Args:
            have: The type that is there.
            lack: The type that is missing; one of which nothing is recorded lacks throughout.
            limit: The table's note says how many there are in all.
            **key: Values of key fields of `have`; a list allows each of its members.

        Raises:
            NotInCatalog: No type `have`, or its keys have no such field.
            CatalogError: The two types share no key field.
        """
        check_limit("limit", limit)
        return self._read(
            lambda connection: grids.gaps(
                connection,
                have=names.type_name(have),
                lack=names.type_name(lack),
                key=key,
                limit=limit,
            )
        )

    def coverage(self, type_name: TypeName, /, *, limit: int = 10_000, **grid: Any) -> Table[Row]:
        """Return each key of a grid, and whether its artifact is there.

        The column `state` is `missing`, `present`, or `stale` for what is there and would be made
        from other content today, as `stale` tells. What cannot be compared counts as present.
        A column that is called like a key field has an underscore at its end, as in `state_`.

        Args:
            type_name: A type, by its name or its class.
            limit: The table's note counts the whole grid.
            **grid: A value or several for each key field; one that is left out takes all values
                that artifacts of the type have.

        Raises:
            NotInCatalog: No such type, or its keys have no such field.
            CatalogError: The grid has more than a million keys.
        """
        check_limit("limit", limit)
        name = names.type_name(type_name)
        return self._read(
            lambda connection: grids.coverage(
                connection, self._owner, type_name=name, grid=grid, limit=limit
            )
        )

    def cost(self, task: str | None = None, since: Moment | None = None) -> Table[Row]:
        """Return one row per task: runs, seconds by phase, bytes, share of inputs on the host.

        Args:
            task: Of this task only: its whole name, or the end of it after a dot.
            since: Started at or after a time, or within a span until now, such as `"7d"`; as `at`.

        Raises:
            NotInCatalog: No such task ran.
        """
        start = names.since(since)
        return self._read(lambda connection: costs.cost(connection, name=task, since=start))
