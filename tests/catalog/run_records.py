"""Records of small made-up runs, for tests and for the processes they start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from rootcellar.catalog import tables
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    CodeIdentity,
    Environment,
    InputRecord,
    OutputRecord,
    RunEnded,
    RunStarted,
    RunState,
    TypeRecord,
    VersionRecord,
    new_uid,
)
from rootcellar.schemas.ref import Pin, Ref

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
CODE = CodeIdentity(qualname="grid:simulate", source_digest=Digest.of(b"code"), git_dirty=False)
ENVIRONMENT = Environment(python="3.11.9", platform="linux", packages={"numpy": "2.0"})


def uri(type_name, key):
    """Where an artifact lies."""
    return f"raw://{type_name}/" + "/".join(f"{name}={value}" for name, value in key.items())


def version(type_name, key, body="", **fields):
    """A version of an artifact with these bytes; its pin follows from them."""
    digest = Digest.of(body.encode())
    pin = fields.pop("pin", Pin(size_bytes=len(body), etag=digest.short))
    ref = Ref(
        type=type_name,
        key=key,
        uri=fields.pop("uri", uri(type_name, key)),
        version=fields.pop("uid", new_uid()),
        kind="file",
        digest=digest,
        size_bytes=len(body),
        pin=pin,
    )
    fields = {"origin": "run", "media_type": "text/plain", "recorded_at": START, **fields}
    return VersionRecord(ref=ref, **fields)


def started(uid=None, task="simulate", **fields):
    """The start of a run."""
    fields = {"started_at": START, "code": CODE, "environment": ENVIRONMENT, **fields}
    return RunStarted(uid=uid or new_uid(), kind="task", task=task, **fields)


def ended(uid, inputs=(), outputs=(), *, cache="miss", **fields):
    """The end of a run that read and made these versions, in order, as `source` and `made`."""
    fields = {
        "state": RunState.SUCCEEDED,
        "ended_at": START + timedelta(seconds=90),
        **fields,
    }
    return RunEnded(
        uid=uid,
        inputs=tuple(
            InputRecord(argument="source", ordinal=ordinal, version=one, cache=cache)
            for ordinal, one in enumerate(inputs)
        ),
        outputs=tuple(
            OutputRecord(argument="made", ordinal=ordinal, version=one)
            for ordinal, one in enumerate(outputs)
        ),
        **fields,
    )


def record(catalog, inputs=(), outputs=(), task="simulate", **fields):
    """Record a whole run and return its uid."""
    start = started(task=task)
    catalog.start_run(start)
    catalog.finish_run(ended(start.uid, inputs, outputs, **fields))
    return start.uid


def type_record(name="weather", **fields):
    """A declared type."""
    fields = {
        "registry": "grid",
        "arguments": (name,),
        "uri_template": f"raw://{name}/{{station}}",
        "media_type": "text/plain",
        "kind": "file",
        "definition": {"key": {"station": "int"}},
        **fields,
    }
    return TypeRecord(name=name, **fields)


def everything(catalog):
    """All rows of all tables that records fill."""

    def read(connection):
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in tables.metadata.sorted_tables
            if table.name not in {"catalog_info", "alembic_version"}
        }

    return catalog._database.read(read)
