"""A run and all that it made, entered with few statements; in Postgres with two waits.

The long way (`versioning`) asks for everything before it is written, for anything may be there
already. What a run made is new but for strange cases, and these show before it is committed: then
nothing is entered, and the run goes the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, func, insert, select

from rootcellar.catalog import at_once_postgres as postgres
from rootcellar.catalog.artifacts import (
    ARTIFACT,
    ArtifactName,
    ContentName,
    content_row,
    ensure_contents,
)
from rootcellar.catalog.artifacts import artifact_ids as known_artifacts
from rootcellar.catalog.heads import lock_heads, move_heads
from rootcellar.catalog.held import WHOLE_ROWS
from rootcellar.catalog.made_rows import Ground, artifact_row, product_rows
from rootcellar.catalog.tables import (
    artifact,
    artifact_head,
    artifact_key,
    content,
    location,
    run,
    run_input,
    run_output,
    version,
)
from rootcellar.catalog.upserts import insert_new
from rootcellar.catalog.versioning import supersede, supersede_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Table

    from rootcellar.catalog.heads import Head
    from rootcellar.catalog.held import Held
    from rootcellar.catalog.made_rows import Product

    Edges = Callable[[int, Mapping[str, int]], Mapping[str, Sequence[Mapping[str, Any]]]]

__all__ = ["NotNewError", "enter_at_once"]

_Name = TypeVar("_Name", ArtifactName, ContentName)


def _last(table: Table) -> Any:
    """Return the id of the row that was entered last; SQLite counts on from it."""
    return select(func.coalesce(func.max(table.c.id), 0)).scalar_subquery()


def _among(column: Column[Any], name: str) -> ColumnElement[bool]:
    return column.in_(bindparam(name, expanding=True))


def _count(condition: ColumnElement[bool], table: Table) -> Any:
    return select(func.count()).select_from(table).where(condition).scalar_subquery()


# One statement for all that rows need to know. Nobody else writes until this transaction ends.
_BEFORE = select(
    _last(run).label("run_id"),
    _last(content).label("content_id"),
    _last(artifact).label("artifact_id"),
    _last(version).label("version_id"),
    _count(_among(content.c.digest, "digests"), content).label("contents"),
    _count(
        _among(artifact.c.type_id, "types") & _among(artifact.c.key_digest, "keys"), artifact
    ).label("artifacts"),
    _count(_among(location.c.uri_digest, "places"), location).label("locations"),
)


_INSERTS = {
    table: insert(table).execution_options(**{WHOLE_ROWS: True})
    for table in (
        *(run, content, artifact, artifact_key, version),
        *(artifact_head, location, run_output, run_input),
    )
}


class NotNewError(Exception):
    """Something of the run is there already; its transaction is to be given up."""


def enter_at_once(
    held: Held, row: Mapping[str, Any], made: Sequence[Product], edges: Edges
) -> dict[str, int]:
    """Enter a run that ended, its products and edges; return the versions' ids by uid.

    Args:
        edges: Rows of `run_output` and `run_input`, given the run's id and those of its versions.

    Raises:
        NotNewError: The run, or a version it made, is there already.
    """
    if held.dialect.name == "sqlite":
        try:
            return _enter_in_sqlite(held, row, made, edges)
        except held.dialect.loaded_dbapi.IntegrityError as error:
            raise NotNewError from error
    found = postgres.gather(held, row, made)
    if found is None:
        raise NotNewError
    ids = {one.uid: number for one, number in zip(made, found.ground.numbers, strict=True)}
    rows = {**product_rows(made, found.ground), **edges(found.ground.run_id, ids)}
    postgres.put(held, rows)
    move_heads(held, found.ground.heads, ids)
    supersede(held, found.losers)
    return ids


def _enter_in_sqlite(
    held: Held, row: Mapping[str, Any], made: Sequence[Product], edges: Edges
) -> dict[str, int]:
    contents = {one.content: content_row(one.record) for one in made}
    names = {one.artifact: artifact_row(one) for one in made}
    asked = {
        "digests": [name.digest for name in contents],
        "types": [*{name.type_id for name in names}],
        "keys": [name.key_digest for name in names],
        "places": [one.place for one in made],
    }
    before = held.execute(_BEFORE, asked).one()
    run_id = before.run_id + 1
    held.execute(_INSERTS[run], [{"id": run_id, **row}])
    if before.contents:
        content_ids = ensure_contents(held, [one.record for one in made])
    else:
        content_ids = _enter(held, content, contents, before.content_id)
    heads: dict[int, Head] = {}
    if before.artifacts:
        artifact_ids, heads = _artifacts(held, names)
    else:
        artifact_ids = _enter(held, artifact, names, before.artifact_id)
    numbers = range(before.version_id + 1, before.version_id + 1 + len(made))
    ground = Ground(run_id, numbers, content_ids, artifact_ids, heads)
    ids = {one.uid: number for one, number in zip(made, numbers, strict=True)}
    rows = {**product_rows(made, ground), **edges(ground.run_id, ids)}
    for table, statement in _INSERTS.items():
        if found := rows.get(table.name):
            held.execute(statement, found)
    if before.locations:
        supersede_at(held, sorted(one.place for one in made))
    move_heads(held, ground.heads, ids)
    return ids


def _enter(
    held: Held, table: Table, rows: Mapping[_Name, Mapping[str, Any]], last_id: int
) -> dict[_Name, int]:
    """Enter rows none of which is there; return their ids by what names them."""
    ids = {name: number for number, name in enumerate(sorted(rows), last_id + 1)}
    held.execute(_INSERTS[table], [{"id": number, **rows[name]} for name, number in ids.items()])
    return ids


def _artifacts(
    held: Held, names: Mapping[ArtifactName, Mapping[str, Any]]
) -> tuple[dict[ArtifactName, int], dict[int, Head]]:
    """Return the ids of artifacts some of which were there before, and the heads of those."""
    inserted = insert_new(held, artifact, [names[name] for name in sorted(names)], *ARTIFACT)
    artifacts = {ArtifactName(row.type_id, bytes(row.key_digest)): row.id for row in inserted}
    known = known_artifacts(held, sorted(names.keys() - artifacts.keys()))
    return artifacts | known, lock_heads(held, known.values())
