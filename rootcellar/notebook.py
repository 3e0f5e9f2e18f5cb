"""Catalog as a notebook opens it: it knows the settings, the stores and this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.catalog.answers.copies import Standing
from rootcellar.catalog.answers.whence import LocalContent, Whence
from rootcellar.catalog.catalog import Catalog as CatalogAt
from rootcellar.environment import environment
from rootcellar.local_content import content_of
from rootcellar.members import members_dataset
from rootcellar.registries import declared_registry
from rootcellar.retiring import Retired, policies_of, retire
from rootcellar.runtime import current_runtime, current_settings
from rootcellar.sightings import Imported, Importer
from rootcellar.still_there import examiner

if TYPE_CHECKING:
    import os

    from pyarrow.dataset import Dataset

    from rootcellar.catalog.answers.copies import Examine
    from rootcellar.catalog.answers.recipe import Recipe
    from rootcellar.catalog.answers.removals import Retiring
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.resolving import Subject
    from rootcellar.catalog.values import Version
    from rootcellar.schemas.artifact import Artifact
    from rootcellar.schemas.record import Environment
    from rootcellar.schemas.registry import Registry

__all__ = ["Catalog"]


class Catalog(CatalogAt):
    """The record of what happened. Ask it where a file came from and what was made of it.

    Args:
        url: `sqlite:///…` or `postgresql://…`; the configured catalog if left out.
    """

    def __init__(self, url: str = "") -> None:
        super().__init__(url or current_settings().catalog)

    def whence(
        self, content: LocalContent | str | os.PathLike[str], *, max_versions: int = 100
    ) -> Whence:
        """Return where a local file or folder came from: which versions have its content.

        It is read, unless nothing recorded has its size, and its digest is looked up; its name
        does not count. The answer is true if it is known, and prints who made it, when, from what,
        and whether that has changed since.

        Args:
            content: A path.

        Raises:
            BindingError: There is no such file or folder.
            ContentError: It cannot be read.
        """
        if not isinstance(content, LocalContent):
            content = content_of(content, self)
        return super().whence(content, max_versions=max_versions)

    def reproduce(self, x: Subject, /, *, here: Environment | None = None) -> Recipe:
        """Return what it takes to make a version once more: commit, environment, call.

        The call's inputs are pinned to the versions that were read. Prints as commands to type.

        Args:
            here: The environment whose packages are compared; this process's own if left out.

        Raises:
            NotInCatalog: It is not recorded, or no run of ours made it.
        """
        return super().reproduce(x, here=here or environment(current_settings().image))

    def locations(
        self, x: Subject, /, *, verify: Examine | bool = False, limit: int = 1_000
    ) -> Table[Version]:
        """Return where the bytes of a version are: its own place first, then equal ones.

        The equal ones are versions, of any artifact, with the same digest that were the last to be
        recorded at their URIs.

        Args:
            verify: Look into the stores; the column `found` is then `unchanged`, `changed` (by
                another object, perhaps with the same bytes), `gone` or `unknown`. What is gone is
                entered as missing: `deleted` tells of it from then on.
        """
        examine = examiner(current_runtime().stores) if verify is True else verify
        found = super().locations(x, verify=examine, limit=limit)
        looks = zip(found, found.column("found"), strict=True)
        gone = [one.uid for one, look in looks if look == Standing.GONE.value]
        if gone:
            self.finish_removals(dict.fromkeys(gone))
        return found

    def dataset(self, kind: type[Artifact], /, **key: Any) -> Dataset:
        """Return all members of a type as one table: a `pyarrow.dataset` with the key as columns.

        It is of the versions that are current now, whatever is published later, and reads them from
        their stores as a question needs them: only the columns and row groups, and of the files
        only those that a filter on key columns leaves. Nothing is recorded of that. polars
        (`scan_pyarrow_dataset`) and DuckDB can query it.

        Args:
            kind: A type with tables: Parquet or Arrow IPC, or folders of them. A column of theirs
                that is called like a key field stands for it.
            **key: Values of key fields; a list allows each of its members.

        Raises:
            ArtifactNotFound: None is recorded; or, while it is read, one is no longer there.
            BindingError: The format is no such table.
            InvalidKey: An unknown key field, or a value that no artifact of this type has.
            ContentError: Not the declared columns, or columns that cannot be put together.
        """
        wanted = {name: list(values) for name, values in kind.where(**key).where.items()}
        return members_dataset(kind, list(self.heads(kind.type_name, **wanted)), current_runtime())

    def import_from(
        self,
        uri: str,
        /,
        *,
        registry: Registry | None = None,
        dry_run: bool = False,
        limit: int = 10_000,
    ) -> Imported:
        """Enter the objects below a URI as artifacts: those that a template of ours renders.

        Each is a version that no run of ours made, with its size and its state in the store; its
        bytes are not read, so that its digest is unknown until a task reads it. What is known in
        this state stays as it is: safe to repeat, and to go on with after a failure.

        Args:
            uri: A folder in a store, such as `raw://weather/`, or a whole store: `raw://`.
            registry: Its types tell what is what; that of the current Celery app if left out.
            dry_run: Enter nothing, and tell what would be.
            limit: Rows of the table that is returned; all are counted.

        Raises:
            ArtifactNotFound: Nothing is there.
            SettingsError: There is no registry.
            StoreError: The store could not be listed; what was seen before that is entered.
        """
        types = declared_registry(registry)
        if not dry_run:
            self.declare(types.records())
        return Importer(self, types, current_runtime()).run(uri, dry_run=dry_run, limit=limit)

    def retention(self, *, registry: Registry | None = None) -> Retiring:
        """Return which versions the retention of their types leaves over; deletes nothing.

        With the bytes that deleting them would free, and what could be made again from what. Types
        without a retention keep everything, and so do bytes that no run of ours made.

        Args:
            registry: Its types say what is kept; that of the current Celery app if left out.

        Raises:
            SettingsError: There is no registry.
        """
        return self.left_over(policies_of(declared_registry(registry)))

    def retire(self, plan: Retiring) -> Retired:
        """Delete from their stores what `retention` has listed and still is left over.

        Rows stay: see `deleted`. What cannot be deleted stays announced; safe to repeat, also after
        this was killed.

        Args:
            plan: What `retention` returned.
        """
        return retire(plan, self, current_runtime().stores)
