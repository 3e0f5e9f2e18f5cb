"""Comparing: how two things differ, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog import runs
from rootcellar.catalog.answers.comparison import compare_runs, compare_versions
from rootcellar.catalog.answers.earlier import Than, other_version
from rootcellar.catalog.answers.history import made_by
from rootcellar.catalog.answers.reasons import reasons
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.resolving import Subject, resolve
from rootcellar.catalog.values import Run, Version
from rootcellar.schemas.errors import CatalogError, NotInCatalog

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.answers.causes import Why
    from rootcellar.catalog.answers.difference import Difference

__all__ = ["Comparing"]


class Comparing(Ledger):
    """Questions that put two versions, or a version and today, beside each other."""

    def diff(self, a: Subject | Run, b: Subject | Run, /) -> Difference:
        """Return how `b` differs from `a`: two versions, or two runs.

        Of versions, content, size, rows and schema are compared, and then the runs that made them:
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
                return compare_versions(before, after, pair)
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
        if max_nodes < 1:
            raise CatalogError(f"max_nodes cannot be {max_nodes}", remedy="Let it be 1 or more")

        def find(connection: Connection) -> Why:
            after = resolve(connection, self._owner, x)
            before = other_version(connection, self._owner, after, than)
            return reasons(connection, self._owner, after=after, before=before, max_nodes=max_nodes)

        return self._read(find)

    def _version_or_run(self, connection: Connection, x: Subject | Run) -> Version | Run:
        if isinstance(x, Run):
            found = runs.run(connection, self._owner, x.uid)
            if found is None:
                raise NotInCatalog("this run is not recorded here", x.task, remedy="See runs()")
            return found
        run = runs.run(connection, self._owner, x) if isinstance(x, str) else None
        return run or resolve(connection, self._owner, x)
