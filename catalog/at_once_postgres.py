"""The statements for a run and all that it made, as Postgres takes them: few, and any number of rows.

Rows travel as one list for each column. What comes back is waited for once, then all that hangs on
it is sent together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    Table,
    bindparam,
    cast,
    func,
    literal,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, REGCLASS

from rootcellar.catalog.artifacts import ARTIFACT, ArtifactName, ContentName, content_row
from rootcellar.catalog.columns import CleanText, UtcTime
from rootcellar.catalog.heads import Head
from rootcellar.catalog.made_rows import Ground, artifact_row
from rootcellar.catalog.tables import (
    LocationState,
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Executable, Insert

    from rootcellar.catalog.held import Held
    from rootcellar.catalog.made_rows import Product

__all__ = ["Found", "gather", "put"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was there or was just entered.

    Attributes:
        losers: Versions at whose places something newer stands, or will.
    """

    ground: Ground
    losers: Sequence[int]


def _list_of(name: str, kind: Any) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(kind))


def _unnested(table: Table, columns: Sequence[str]) -> Any:
    return select(
        *(func.unnest(_list_of(f"{table.name}_{name}", table.c[name].type)) for name in columns)
    )


def _insert(table: Table, columns: Sequence[str]) -> Insert:
    return postgresql.insert(table).from_select(list(columns), _unnested(table, columns))


def _all_contents() -> Executable:
    columns = ("digest", "kind", "size_bytes", "members")
    found = (content.c.digest, content.c.kind, content.c.id)
    new = _insert(content, columns).on_conflict_do_nothing().returning(*found).cte("new")
    digests = _list_of("content_digest", CleanText)
    return union_all(select(new), select(*found).where(content.c.digest == func.any(digests)))


def _all_artifacts() -> Executable:
    head = artifact_head
    new = (
        _insert(artifact, ("type_id", "key_digest", "key_text"))
        .on_conflict_do_nothing()
        .returning(*ARTIFACT)
        .cte("new")
    )
    old = (
        select(*ARTIFACT, head.c.last_seq, head.c.recorded_at)
        .join(head, head.c.artifact_id == artifact.c.id)
        .where(
            tuple_(artifact.c.type_id, artifact.c.key_digest).in_(
                _unnested(artifact, ("type_id", "key_digest"))
            )
        )
        .order_by(artifact.c.id)
        .with_for_update(of=head)
        .cte("old")
    )
    none_yet = (cast(null(), head.c.last_seq.type), cast(null(), UtcTime))
    return union_all(
        select(new, none_yet[0].label("last_seq"), none_yet[1].label("recorded_at")), select(old)
    )


def _facts() -> Executable:
    """Return versions that are there already, new ids for versions, and who is at their places."""
    sequence = cast(func.pg_get_serial_sequence(version.name, version.c.id.name), REGCLASS)
    many = func.generate_series(1, bindparam("count", type_=BigInteger))
    no_place, no_time = cast(null(), LargeBinary), cast(null(), UtcTime)
    number = func.nextval(sequence, type_=BigInteger).label("number")
    fresh = select(
        literal("new").label("what"), number, no_place.label("place"), no_time.label("since")
    ).select_from(many)
    known = select(literal("known"), version.c.id, no_place, no_time).where(
        version.c.uid == func.any(_list_of("uids", CleanText))
    )
    there = (
        select(literal("there"), version.c.id, location.c.uri_digest, version.c.recorded_at)
        .join(location, location.c.version_id == version.c.id)
        .where(
            location.c.uri_digest == func.any(_list_of("places", LargeBinary)),
            location.c.state == LocationState.PRESENT,
        )
    )
    return union_all(fresh, known, there)


def _every_row() -> Executable:
    """Return one statement for all that refers to rows that are there."""
    inserts = [
        _insert(table, [column.name for column in _columns(table)])
        for table in (artifact_key, version, artifact_head, location, run_output)
    ]
    return _insert(run_input, [column.name for column in _columns(run_input)]).add_cte(
        *(one.cte(f"to_{one.table.name}") for one in inserts)
    )


def _columns(table: Table) -> list[Column[Any]]:
    return list(table.columns)


_RUN = postgresql.insert(run).on_conflict_do_nothing().returning(run.c.id)
_CONTENTS = _all_contents()
_ARTIFACTS = _all_artifacts()
_FACTS = _facts()
_ROWS = _every_row()
_FILLED = (artifact_key, version, artifact_head, location, run_output, run_input)


def gather(held: Held, row: Mapping[str, Any], made: Sequence[Product]) -> Found | None:
    """Enter the run and what its products hang on, and lock heads; None if it is not all new."""
    contents = {one.content: content_row(one.record) for one in made}
    names = {one.artifact: artifact_row(one) for one in made}
    facts = {
        "count": len(made),
        "uids": [one.uid for one in made],
        "places": [one.place for one in made],
    }
    runs, of_contents, of_artifacts, rest = held.gather(
        [
            (_RUN, row),
            (_CONTENTS, _lists(content, [contents[name] for name in sorted(contents)])),
            (_ARTIFACTS, _lists(artifact, [names[name] for name in sorted(names)])),
            (_FACTS, facts),
        ]
    )
    numbers = sorted(one.number for one in rest if one.what == "new")
    found_contents = {ContentName(one.digest, one.kind): one.id for one in of_contents}
    found = {ArtifactName(one.type_id, bytes(one.key_digest)): one for one in of_artifacts}
    if (
        not runs
        or any(one.what == "known" for one in rest)
        # What another entered while this waited for it.
        or not contents.keys() <= found_contents.keys()
        or not names.keys() <= found.keys()
    ):
        return None
    artifacts = {name: one.id for name, one in found.items()}
    heads = {
        one.id: Head(one.last_seq, one.recorded_at)
        for one in sorted(found.values(), key=lambda one: one.id)
        if one.last_seq is not None
    }
    ground = Ground(runs[0].id, numbers, found_contents, artifacts, heads)
    return Found(ground, _losers(made, numbers, [one for one in rest if one.what == "there"]))


def put(held: Held, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Enter rows by table; all that they refer to is there, or among them."""
    given: dict[str, list[Any]] = {}
    for table in _FILLED:
        given |= _lists(table, rows[table.name])
    held.execute(_ROWS, given)


def _lists(table: Table, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {
        f"{table.name}_{column.name}": [row.get(column.name) for row in rows]
        for column in _columns(table)
    }


def _losers(made: Sequence[Product], numbers: Sequence[int], there: Sequence[Any]) -> list[int]:
    losers = []
    standing = {
        one.place: (one.record.recorded_at, number)
        for one, number in zip(made, numbers, strict=True)
    }
    for one in there:
        place, other = bytes(one.place), (one.since, one.number)
        losers.append(min(standing[place], other)[1])
        standing[place] = max(standing[place], other)
    return losers
