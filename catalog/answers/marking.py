"""What people write on versions: tags, and names to find them by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rootcellar.catalog import listing, lookup
from rootcellar.catalog.aliases import aliased_uid, check_alias
from rootcellar.catalog.answers import marks
from rootcellar.catalog.answers.asking import check_limit, cut_note
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.resolving import Subject, resolve
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.answers.marks import Alias, Tag
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.values import Version

__all__ = ["Marking"]


class Marking(Ledger):
    """Tags and aliases, with their history; see `Catalog`."""

    def tag(self, x: Subject, key: str, value: str = "") -> None:
        """Give the version that `x` means a tag, in place of the tag's value until now.

        Raises:
            CatalogError: The key is empty, or it or the value is too long or no text.
        """
        marks.check_tag(key, value)
        at = datetime.now(UTC)
        uid = self._uid(x)
        self._database.write(
            lambda connection: marks.set_tag(connection, uid, key=key, value=value, at=at)
        )

    def untag(self, x: Subject, key: str) -> bool:
        """Remove a tag; return whether it was there. That it was stays known."""
        at = datetime.now(UTC)
        uid = self._uid(x)
        return self._database.write(
            lambda connection: marks.remove_tag(connection, uid, key=key, at=at)
        )

    def tags(self, x: Subject) -> Table[Tag]:
        """Return the tags that the version has, by key."""
        uid = self._uid(x)
        return self._read(lambda connection: marks.tags(connection, uid, stands=True))

    def tag_history(self, x: Subject) -> Table[Tag]:
        """Return all tags that the version ever had, by key and time."""
        uid = self._uid(x)
        return self._read(lambda connection: marks.tags(connection, uid, stands=False))

    def tagged(self, key: str, value: str | None = None, *, limit: int = 1_000) -> Table[Version]:
        """Return the versions that have a tag, the last tagged first.

        Args:
            key: The tag.
            value: With this value only.
            limit: The table's note says if there are more.
        """
        check_limit("limit", limit)

        def find(connection: Connection) -> Table[Version]:
            ids = marks.tagged_ids(connection, key, value, limit + 1)
            known = lookup.versions_by_id(connection, self._owner, ids[:limit])
            found = [known[row_id] for row_id in ids[:limit]]
            return listing.version_table(found, note=cut_note(len(ids), limit))

        return self._read(find)

    def alias(self, x: Subject, name: str) -> None:
        """Let a name stand for the version that `x` means now, and no longer for another.

        It stands wherever a method takes an `x`, and does not move on when the artifact does.

        Raises:
            CatalogError: The name could be taken for something else, such as a URI.
        """
        check_alias(name)
        at = datetime.now(UTC)
        uid = self._uid(x)
        self._database.write(lambda connection: marks.set_alias(connection, name, uid, at=at))

    def unalias(self, name: str) -> None:
        """Let a name stand for nothing. What it stood for stays known.

        Raises:
            NotInCatalog: It stands for nothing.
        """
        self.aliased(name)
        at = datetime.now(UTC)
        self._database.write(lambda connection: marks.set_alias(connection, name, None, at=at))

    def aliased(self, name: str) -> Version:
        """Return the version that a name stands for.

        Raises:
            NotInCatalog: It stands for none.
        """

        def find(connection: Connection) -> Version:
            uid = aliased_uid(connection, name)
            if uid is None:
                raise NotInCatalog(
                    f"there is no alias {name!r}",
                    remedy="See Catalog.aliases()",
                )
            return resolve(connection, self._owner, uid)

        return self._read(find)

    def aliases(self) -> Table[Alias]:
        """Return all names that stand for a version, by name."""
        return self._read(lambda connection: marks.aliases(connection, self._owner, None))

    def alias_history(self, name: str) -> Table[Alias]:
        """Return what a name stood for, the last first; a row without version took it back."""
        return self._read(lambda connection: marks.aliases(connection, self._owner, name))

    def _uid(self, x: Subject) -> str:
        return self._read(lambda connection: resolve(connection, self._owner, x)).uid
