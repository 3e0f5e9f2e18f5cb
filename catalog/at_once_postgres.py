"""The statements for a run and all that it made, as Postgres takes them: few, of many rows each.

What comes back is waited for once, then all that hangs on it is sent together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, REGCLASS

from rootcellar.catalog.artifacts import ARTIFACT, ArtifactName, ContentName, content_row
from rootcellar.catalog.canonical import clean_json
from rootcellar.catalog.columns import CleanText, UtcTime, utc_time
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

    from sqlalchemy import Executable, TableValuedAlias
    from sqlalchemy.dialects.postgresql import Insert

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


def _given(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return rows that travel as one JSON text: each parameter costs the driver much more."""
    rows = func.json_to_recordset(cast(bindparam(table.name, type_=Text), JSON))
    columns = [column(name, table.c[name].type) for name in names]
    return rows.table_valued(*columns, name="g").render_derived(name="g", with_types=True)


def _insert(table: Table, names: Sequence[str]) -> Insert:
    return postgresql.insert(table).from_select(list(names), select(*_given(table, names).c))


def _run() -> Executable:
    names = [one.name for one in run.columns if one.name != "id"]
    return _insert(run, names).on_conflict_do_nothing().returning(run.c.id)


def _ground() -> Executable:
    """Return contents and artifacts, whether they are new or not; heads of the latter locked."""
    names = (content.c.digest, content.c.kind, content.c.id)
    contents = _insert(content, ("digest", "kind", "size_bytes", "members"))
    new_contents = contents.on_conflict_do_nothing().returning(*names).cte("c")
    given_contents = _given(content, ("digest", "kind"))
    new_artifacts = _new_artifacts().on_conflict_do_nothing().returning(*ARTIFACT).cte("a")
    given_artifacts = _given(artifact, ("type_id", "key_digest"))
    head = artifact_head
    known_artifacts = (
        select(*ARTIFACT, head.c.last_seq, head.c.recorded_at)
        .join(head, head.c.artifact_id == artifact.c.id)
        .join(
            given_artifacts,
            (given_artifacts.c.type_id == artifact.c.type_id)
            & (given_artifacts.c.key_digest == artifact.c.key_digest),
        )
        .order_by(artifact.c.id)
        .with_for_update(of=head)
        .cte("h")
    )
    known_contents = select(*names).join(
        given_contents,
        (given_contents.c.digest == content.c.digest) & (given_contents.c.kind == content.c.kind),
    )
    number, key = cast(null(), BigInteger), cast(null(), LargeBinary)
    word, count, time = cast(null(), CleanText), cast(null(), Integer), cast(null(), UtcTime)
    contents_found = [
        select(
            *(one.c.id, one.c.digest, one.c.kind, number.label("type_id")),
            *(key.label("key_digest"), count.label("last_seq"), time.label("recorded_at")),
        )
        for one in (new_contents, known_contents.subquery("k"))
    ]
    artifacts_found = [
        select(one.c.id, word, word, one.c.type_id, one.c.key_digest, *head_of)
        for one, head_of in (
            (new_artifacts, (count, time)),
            (known_artifacts, (known_artifacts.c.last_seq, known_artifacts.c.recorded_at)),
        )
    ]
    return union_all(*contents_found, *artifacts_found)


def _new_artifacts() -> Insert:
    # Without the condition each that is known would use up a number.
    names = ("type_id", "key_digest", "key_text")
    given = _given(artifact, names)
    known = select(artifact.c.id).where(
        artifact.c.type_id == given.c.type_id, artifact.c.key_digest == given.c.key_digest
    )
    unknown = select(*given.c).where(~known.exists())
    return postgresql.insert(artifact).from_select(list(names), unknown)


def _facts() -> Executable:
    """Return versions that are there already, new ids for versions, and who is at their places."""
    sequence = func.pg_get_serial_sequence(literal_column("'version'"), literal_column("'id'"))
    uids = bindparam("uids", type_=ARRAY(CleanText))
    many = func.unnest(uids)
    no_place, no_time = cast(null(), LargeBinary), cast(null(), UtcTime)
    number = func.nextval(cast(sequence, REGCLASS), type_=BigInteger).label("number")
    fresh = select(
        literal_column("'new'", Text).label("what"),
        number,
        no_place.label("place"),
        no_time.label("since"),
    ).select_from(many)
    known = select(literal_column("'known'", Text), version.c.id, no_place, no_time).where(
        version.c.uid == func.any(uids)
    )
    there = (
        select(
            literal_column("'there'", Text),
            version.c.id,
            location.c.uri_digest,
            version.c.recorded_at,
        )
        .join(location, location.c.version_id == version.c.id)
        .where(
            location.c.uri_digest == func.any(bindparam("places", type_=ARRAY(LargeBinary))),
            location.c.state == literal_column(f"'{LocationState.PRESENT}'"),
        )
    )
    return union_all(fresh, known, there)


def _every_row() -> Executable:
    """Return one statement for all that refers to rows that are there."""
    *inserts, last = (_insert(table, [one.name for one in table.columns]) for table in _FILLED)
    return last.add_cte(*(one.cte(f"to_{one.table.name}") for one in inserts))


_FILLED = (artifact_key, version, artifact_head, location, run_output, run_input)
_RUN = _run()
_GROUND = _ground()
_FACTS = _facts()
_ROWS = _every_row()


def gather(held: Held, row: Mapping[str, Any], made: Sequence[Product]) -> Found | None:
    """Enter the run and what its products hang on, and lock heads; None if it is not all new."""
    contents = {one.content: content_row(one.record) for one in made}
    names = {one.artifact: artifact_row(one) for one in made}
    ground = {
        "content": _text([contents[name] for name in sorted(contents)]),
        "artifact": _text([names[name] for name in sorted(names)]),
    }
    facts = {
        "uids": [one.uid for one in made],
        "places": [one.place for one in made],
    }
    runs, entered, rest = held.gather(
        [(_RUN, {"run": _text([row])}), (_GROUND, ground), (_FACTS, facts)]
    )
    found_contents = {
        ContentName(one.digest, one.kind): one.id for one in entered if one.digest is not None
    }
    found = {
        ArtifactName(one.type_id, bytes(one.key_digest)): one
        for one in entered
        if one.digest is None
    }
    if (
        not runs
        or any(one.what == "known" for one in rest)
        # What another entered while this waited for it.
        or not contents.keys() <= found_contents.keys()
        or not names.keys() <= found.keys()
    ):
        return None
    heads = {
        one.id: Head(one.last_seq, one.recorded_at)
        for one in sorted(found.values(), key=lambda one: one.id)
        if one.last_seq is not None
    }
    numbers = sorted(one.number for one in rest if one.what == "new")
    artifacts = {name: one.id for name, one in found.items()}
    return Found(
        Ground(runs[0].id, numbers, found_contents, artifacts, heads),
        _losers(made, numbers, [one for one in rest if one.what == "there"]),
    )


def put(held: Held, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Enter rows by table; all that they refer to is there, or among them."""
    held.execute(_ROWS, {table.name: _text(rows[table.name]) for table in _FILLED})


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    return _encode([{name: _clean(value) for name, value in row.items()} for row in rows])


def _clean(value: Any) -> Any:
    kind = type(value)
    if kind is int or value is None or kind is bool:
        return value
    if isinstance(value, datetime):
        return utc_time(value).isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return clean_json(value)


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


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
