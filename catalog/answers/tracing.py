"""Questions about one thing: a file, an artifact, a version, a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog import names, runs
from rootcellar.catalog.answers import copies, ends, history, origins, readings
from rootcellar.catalog.answers.asking import check_limit
from rootcellar.catalog.answers.recipes import recipe_of
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.resolving import resolve
from rootcellar.schemas.errors import CatalogError, NotInCatalog

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.answers.copies import Examine
    from rootcellar.catalog.answers.recipe import Recipe
    from rootcellar.catalog.answers.whence import LocalContent, Whence
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.resolving import Subject
    from rootcellar.catalog.times import Moment
    from rootcellar.catalog.values import Run, Version
    from rootcellar.schemas.record import Environment
    from rootcellar.schemas.ref import Kind

__all__ = ["Tracing"]


class Tracing(Ledger):
    """Where it came from, what became of it over time, who read it, where it is; see `Catalog`."""

    def algorithms(
        self, *, kind: Kind, size_bytes: int, members: int | None = None
    ) -> frozenset[str]:
        """Return by which algorithms' digests content of this size could be known here.

        Empty if nothing of that size is recorded: then it need not be read at all.

        Args:
            members: Number of files of a folder; None for a file.
        """
        return self._read(
            lambda connection: origins.algorithms(
                connection, kind=kind, size_bytes=size_bytes, members=members
            )
        )

    def whence(self, content: LocalContent, *, max_versions: int = 100) -> Whence:
        """Return which versions have this content, newest first, and how the newest was made.

        Only equal digests count; a name or a size proves nothing. See `rootcellar.Catalog`, whose
        method takes a path.
        """
        return self._read(
            lambda connection: origins.origin(
                connection, self._owner, content, max_versions=max_versions
            )
        )

    def history(self, x: Subject, /, *, max_rows: int = 1_000) -> Table[Version]:
        """Return all versions of an artifact, newest first; the first is the current one.

        The column `change` says whether the content differs from the version before: `first`,
        `same bytes`, `changed`, or `unknown` where bytes were never read whole or digests are by
        two algorithms. The note says if there are more rows.

        Args:
            x: The artifact; any of its versions stands for it.
        """
        check_limit("max_rows", max_rows)

        def find(connection: Connection) -> Table[Version]:
            one = resolve(connection, self._owner, x)
            return history.of_artifact(connection, self._owner, one, max_rows=max_rows)

        return self._read(find)

    def uri_history(self, uri: str, /, *, max_rows: int = 1_000) -> Table[Version]:
        """Return all versions that were written to or seen at a logical URI, newest first.

        Columns and note as in `history`; the first row says who wrote it last.

        Raises:
            NotInCatalog: None was.
        """
        check_limit("max_rows", max_rows)
        return self._read(
            lambda connection: history.at_uri(connection, self._owner, uri, max_rows=max_rows)
        )

    def readers(
        self,
        x: Subject,
        /,
        since: Moment | None = None,
        *,
        transitive: bool = False,
        max_nodes: int = 10_000,
        limit: int = 1_000,
    ) -> Table[Run]:
        """Return the runs that read this very version, the last started first.

        The column `depth` is 1 for those; `how` is the cache's answer, and `none` where a run took
        over earlier outputs and never opened it. The note says what a limit cut.

        Args:
            since: Started at or after a time, or within a span until now, such as `"7d"`; as `at`.
            transitive: Those that read what was made from it, too, step by step.
            max_nodes: Follow so many versions at most.
        """
        check_limit("limit", limit)
        check_limit("max_nodes", max_nodes)
        start = names.since(since)

        def find(connection: Connection) -> Table[Run]:
            one = resolve(connection, self._owner, x)
            depths, note = readings.reached(
                connection, one, transitive=transitive, max_nodes=max_nodes
            )
            return readings.readers(
                connection, self._owner, depths, since=start, limit=limit, note=note
            )

        return self._read(find)

    def ending(self, end: str, /, *, limit: int = 100) -> list[Version | Run]:
        """Return the versions and runs whose uid ends so, which is what tables show of it.

        Args:
            limit: Of versions and of runs.
        """
        check_limit("limit", limit)
        return self._read(lambda connection: ends.ending(connection, self._owner, end, limit=limit))

    def attempts(self, x: Subject | Run, /, *, limit: int = 1_000) -> Table[Run]:
        """Return all runs of one Celery message, the first first: retries and redeliveries.

        The column `left` names the versions that each made, also if it failed afterwards.

        Args:
            x: A run, its uid, a Celery task id, or what names a version: then of the run that made
                it. A task id alone is sought among all runs, which takes longer.
            limit: The table's note says if there are more.

        Raises:
            NotInCatalog: No run is recorded under that name, or the version was made by none.
        """
        check_limit("limit", limit)
        return self._read(
            lambda connection: readings.attempts(connection, self._owner, x, limit=limit)
        )

    def reproduce(self, x: Subject, /, *, here: Environment | None = None) -> Recipe:
        """Return what it takes to make a version once more: commit, environment, call.

        The call's inputs are pinned to the versions that were read. Prints as commands to type.

        Args:
            here: The environment whose packages are compared; `rootcellar.Catalog` takes this
                process's own.

        Raises:
            NotInCatalog: It is not recorded, or no run of ours made it.
        """

        def find(connection: Connection) -> Recipe:
            one = resolve(connection, self._owner, x)
            made_by = runs.run(connection, self._owner, one.run_uid) if one.run_uid else None
            if made_by is None:
                raise NotInCatalog(
                    "no run of ours made it, so there is nothing to run again",
                    str(one),
                    one.uri,
                    "Ask whoever put it there",
                )
            read = runs.inputs(connection, self._owner, made_by.uid)
            return recipe_of(one, made_by, read, here)

        return self._read(find)

    def locations(
        self, x: Subject, /, *, verify: Examine | bool = False, limit: int = 1_000
    ) -> Table[Version]:
        """Return where the bytes of a version are: its own place first, then equal ones.

        The equal ones are versions, of any artifact, with the same digest that were the last to be
        recorded at their URIs.

        Args:
            verify: Looks into each place; the column `found` is then `unchanged`, `changed`, `gone`
                or `unknown`. True is for `rootcellar.Catalog`, which knows the stores.

        Raises:
            CatalogError: `verify` is true, and this catalog knows no stores.
        """
        check_limit("limit", limit)
        if verify is True:
            raise CatalogError(
                "a catalog alone knows no stores to look into",
                remedy="Use rootcellar.Catalog, or pass a function as verify",
            )

        def find(connection: Connection) -> tuple[list[Version], str]:
            one = resolve(connection, self._owner, x)
            return copies.copies(connection, self._owner, one, limit=limit)

        found, note = self._read(find)
        # Looking takes as long as stores do: not while a transaction is open.
        return copies.location_table(found, verify or None, note)
