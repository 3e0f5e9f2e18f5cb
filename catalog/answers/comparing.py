"""Comparing: how two things differ, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.catalog import lookup, names, runs
from rootcellar.catalog.answers.asking import check_limit
from rootcellar.catalog.answers.columns_compared import schema_changes, schemas_of
from rootcellar.catalog.answers.comparison import compare_runs, compare_versions
from rootcellar.catalog.answers.dependants import impact
from rootcellar.catalog.answers.divergence import (
    Divergence,
    divergence_table,
    find_divergences,
)
from rootcellar.catalog.answers.earlier import Than, other_version
from rootcellar.catalog.answers.made import made_by
from rootcellar.catalog.answers.reasons import reasons
from rootcellar.catalog.answers.staleness import Stale, find_stale, stale_table
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.resolving import Subject, resolve
from rootcellar.catalog.values import Run, Version
from rootcellar.schemas.errors import CatalogError, NotInCatalog

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.answers.causes import Why
    from rootcellar.catalog.answers.difference import Difference
    from rootcellar.catalog.answers.impact import Impact
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.names import TypeName

__all__ = ["Comparing"]


class Comparing(Ledger):
    """Questions that put two versions, or a version and today, beside each other."""

    def diff(self, a: Subject | Run, b: Subject | Run, /) -> Difference:
        """Return how `b` differs from `a`: two versions, or two runs.

        Of versions, content, size, rows and columns are compared, and then the runs that made them:
        code, arguments, environment and inputs. Runs are named by themselves or by their uids.

        Raises:
            NotInCatalog: One is not recorded.
            CatalogError: One is a run and the other a version.
        """

        def find(connection: Connection) -> Difference:
            before, after = (self._version_or_run(connection, one) for one in (a, b))
            uids = {one.uid if isinstance(one, Run) else one.run_uid for one in (before, after)} - {
                ""
            }
            made = made_by(connection, self._owner, uids)
            if isinstance(before, Version) and isinstance(after, Version):
                pair = made.get(before.run_uid), made.get(after.run_uid)
                schemas = schemas_of(connection, [(before, after)])
                columns = schema_changes(before, after, schemas)
                return compare_versions(before, after, pair, columns=columns)
            if isinstance(before, Run) and isinstance(after, Run):
                return compare_runs(made[before.uid], made[after.uid])
            raise CatalogError(
                "a run and a version cannot be compared",
                remedy="Compare the run with Version.run, or the version with one of Run.outputs",
            )

        return self._read(find)

    def why(self, x: Subject, /, than: Than = None, *, max_nodes: int = 500) -> Why:
        """Return why `x` differs from another version of its artifact, down to root causes.

        Inputs that differ are compared in their turn, nearest first. A commit that differs counts
        as a cause only where nothing else does; see `CodeIdentity`.

        Args:
            than: A version or its uid; a span, such as `"7d"` or a `timedelta`, or a time, for the
                version that was current then; None for the last one before with other content.
            max_nodes: Compare so many pairs of versions at most. What is left is told.

        Raises:
            NotInCatalog: There is no such version.
            CatalogError: A time has no time zone, or `max_nodes` is less than 1.
        """
        names.check_walk("upstream", max_nodes=max_nodes)

        def find(connection: Connection) -> Why:
            after = resolve(connection, self._owner, x)
            before = other_version(connection, self._owner, after, than)
            return reasons(connection, self._owner, after=after, before=before, max_nodes=max_nodes)

        return self._read(find)

    def earlier(self, x: Subject, /, than: Than = None) -> Version:
        """Return the version that `why(x, than)` compares `x` with.

        Raises:
            NotInCatalog: There is none.
            CatalogError: A time has no time zone.
        """
        return self._read(
            lambda connection: other_version(
                connection, self._owner, resolve(connection, self._owner, x), than
            )
        )

    def stale(
        self, type_name: TypeName | None = None, /, *, max_rows: int = 10_000, **key: Any
    ) -> Table[Stale]:
        """Return the current versions that would be made from something else today.

        One row for each input that is to blame: `changed`, its current version has other content;
        `upstream`, its content is the same, but it is stale itself; `unknown`, the contents cannot
        be compared. Versions are compared with what is recorded: what changed in a store and was
        not seen since is not noticed, nor is other code.

        Args:
            type_name: A type, by its name or its class, or None for all.
            max_rows: The table's note says if there are more.
            **key: Values of key fields; a list allows each of its members.

        Raises:
            NotInCatalog: No such type, or its keys have no such field.
        """
        check_limit("max_rows", max_rows)
        name = names.optional_type(type_name)

        def find(connection: Connection) -> list[Stale]:
            type_id = None
            if name is None:
                names.refuse_key(key)
            else:
                names.check_type(name, lookup.type_names(connection))
                fields = lookup.key_fields(connection, name) if key else set()
                names.check_fields(name, key, fields)
                type_id = lookup.type_id(connection, name)
            return find_stale(connection, type_id=type_id, constraints=key, max_rows=max_rows + 1)

        found = self._read(find)
        return stale_table(found[:max_rows], note=_note(len(found), max_rows))

    def impact(self, x: Subject, /, *, max_nodes: int = 10_000) -> Impact:
        """Return the current versions that depend on `x`'s artifact, whichever version they read.

        `plan()` of the answer tells what to run again, in which order and at what cost.

        Args:
            max_nodes: Stop after so many artifacts; the answer's note says so.

        Raises:
            NotInCatalog: It is not recorded.
        """
        names.check_walk("downstream", max_nodes=max_nodes)
        return self._read(
            lambda connection: impact(
                connection, self._owner, resolve(connection, self._owner, x), max_nodes=max_nodes
            )
        )

    def nondeterministic(
        self, task: str | None = None, *, max_rows: int = 1_000
    ) -> Table[Divergence]:
        """Return pairs of versions that the same means made, and that differ all the same.

        The means are the task, the source of its body, plain arguments and the contents of its
        inputs. A version is compared with the one before it. Runs without recorded code, such as
        sessions and pushes, are left out.

        Args:
            task: Of this task only: its whole name, or the end of it after a dot.
            max_rows: The table's note says if there are more.

        Raises:
            NotInCatalog: No such task ran.
        """

        def find(connection: Connection) -> list[Divergence]:
            tasks = None if task is None else names.tasks(task, runs.task_names(connection))
            return find_divergences(connection, self._owner, tasks=tasks, max_rows=max_rows + 1)

        found = self._read(find)
        return divergence_table(found[:max_rows], note=_note(len(found), max_rows))

    def _version_or_run(self, connection: Connection, x: Subject | Run) -> Version | Run:
        if isinstance(x, Run):
            found = runs.run(connection, self._owner, x.uid)
            if found is None:
                raise NotInCatalog("this run is not recorded here", x.task, remedy="See runs()")
            return found
        run = runs.run(connection, self._owner, x) if isinstance(x, str) else None
        return run or resolve(connection, self._owner, x)


def _note(found: int, max_rows: int) -> str:
    return f"first {max_rows:,} of more".replace(",", " ") if found > max_rows else ""
