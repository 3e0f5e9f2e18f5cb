"""A run and all that it made, entered with few statements; in Postgres with two waits.

The long way (`versioning`) asks for everything before it is written, for anything may be there
already. What a run made is new but for strange cases, and these show before it is committed: then
nothing is entered, and the run goes the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, literal, select

from rootcellar.catalog import at_once_postgres as postgres
from rootcellar.catalog.artifacts import ARTIFACT, ArtifactName, artifact_ids, ensure_contents
from rootcellar.catalog.heads import lock_heads, move_heads
from rootcellar.catalog.made_rows import Ground, artifact_row, product_rows
from rootcellar.catalog.tables import (
    artifact,
    artifact_head,
    artifact_key,
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

    from rootcellar.catalog.heads import Head
    from rootcellar.catalog.held import Held
    from rootcellar.catalog.made_rows import Product

    Edges = Callable[[int, Mapping[str, int]], Mapping[str, Sequence[Mapping[str, Any]]]]

__all__ = ["NotNewError", "enter_at_once"]

# One statement for what each version's row and its neighbours need to know.
_BEFORE = select(
    select(func.coalesce(func.max(version.c.id), 0)).scalar_subquery().label("last_id"),
    select(func.count())
    .where(version.c.uid.in_(bindparam("uids", expanding=True)))
    .scalar_subquery()
    .label("known"),
    select(literal(1))
    .where(location.c.uri_digest.in_(bindparam("places", expanding=True)))
    .exists()
    .label("is_taken"),
)
_INSERTS = {
    table.name: insert(table)
    for table in (artifact_key, version, artifact_head, location, run_output, run_input)
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
        return _enter_in_sqlite(held, row, made, edges)
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
    inserted = insert_new(held, run, [row], run.c.id)
    asked = {"uids": [one.uid for one in made], "places": [one.place for one in made]}
    before = held.execute(_BEFORE, asked).one()
    if not inserted or before.known:
        raise NotNewError
    numbers = range(before.last_id + 1, before.last_id + 1 + len(made))
    ground = _ground(held, inserted[0].id, numbers, made)
    ids = {one.uid: number for one, number in zip(made, numbers, strict=True)}
    rows = {**product_rows(made, ground), **edges(ground.run_id, ids)}
    for name, statement in _INSERTS.items():
        if rows[name]:
            held.execute(statement, rows[name])
    if before.is_taken:
        supersede_at(held, sorted(one.place for one in made))
    move_heads(held, ground.heads, ids)
    return ids


def _ground(held: Held, run_id: int, numbers: Sequence[int], made: Sequence[Product]) -> Ground:
    contents = ensure_contents(held, [one.record for one in made])
    rows = [artifact_row(one) for one in sorted(made, key=lambda one: one.artifact)]
    inserted = insert_new(held, artifact, rows, *ARTIFACT)
    artifacts = {ArtifactName(row.type_id, bytes(row.key_digest)): row.id for row in inserted}
    heads: dict[int, Head] = {}
    others = sorted(one.artifact for one in made if one.artifact not in artifacts)
    if others:
        known = artifact_ids(held, others)
        heads = lock_heads(held, known.values())
        artifacts |= known
    return Ground(run_id, numbers, contents, artifacts, heads)
