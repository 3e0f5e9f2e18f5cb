"""Downloads and uploads of one large, many small and some middling objects, by all peers."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.fresh import call_fresh
from benchmarks.memory import touched_memory
from benchmarks.place import Item, Place, make_items, put_stored
from benchmarks.server import ObjectServer
from benchmarks.suite import GB, OURS, Run, cost, fast_folder, interleaved, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.suite import Row, Scale

__all__ = ["PEERS", "TRANSFERS", "Work", "measure_client"]

LIMIT = "limit client"
PEERS = {
    OURS: "ours:Ours",
    LIMIT: "raw:Raw",
    "curl": "commands:Curl",
    "s3fs": "fsspec_kin:S3fs",
    "obstore": "rust:Obstore",
    "opendal": "rust:Opendal",
    "s5cmd": "commands:S5cmd",
    "boto3": "boto:Boto3",
    "aiobotocore": "boto:Aiobotocore",
    "pyarrow.fs": "rust:Pyarrow",
    "cloudpathlib": "fsspec_kin:Cloudpathlib",
    "aws-cli": "commands:AwsCli",
    "celery + boto3": "boto:CeleryTask",
}
LIMIT_SECONDS = 240.0
COPIES = 4
"""Of all bytes in memory at once: the source, an output of it, the server's, a client's."""


@dataclass(frozen=True, slots=True)
class Work:
    """One benchmark of this file.

    Attributes:
        count: Objects.
        size: Of each, in bytes.
        named: Peers that a threshold names, measured as often as ours.
        peers: All peers; PEERS if not given.
        rates: `objects/s` rather than `GB/s`.
        keep: What was uploaded stays for the next.
    """

    name: str
    operation: str
    count: int
    size: int
    named: frozenset[str]
    peers: tuple[str, ...] = tuple(PEERS)
    rates: str = "GB/s"
    keep: bool = False
    limit_seconds: float = LIMIT_SECONDS

    def scaled(self, scale: Scale) -> Work:
        """Return it in small if the scale is."""
        if not scale.quick:
            return self
        count, size = max(1, self.count // 50), min(self.size, 8_000_000)
        return dataclasses.replace(self, count=count, size=size)

    @property
    def gigabytes(self) -> float:
        """Moved by one run."""
        return self.count * self.size / GB

    def value(self, seconds: float) -> float:
        """Return the rate in the work's unit."""
        return (self.count if self.rates == "objects/s" else self.gigabytes) / seconds


def _work(name: str, count: int, size: int, rates: str, down: str, up: str) -> list[Work]:
    """Return both directions; `down` and `up` are the peers that thresholds name."""
    directions = (("download", down), ("upload", up))
    return [
        Work(f"{way}-{name}", way, count, size, frozenset(named.split(",")), rates=rates)
        for way, named in directions
    ]


TRANSFERS = {
    work.name: work
    for work in (
        *_work("2g", 1, 2_000_000_000, "GB/s", f"s3fs,curl,{LIMIT}", "s3fs,curl"),
        *_work("20k", 5_000, 20_000, "objects/s", "s3fs,s5cmd,opendal", "s3fs,s5cmd,opendal"),
        *_work("10m", 200, 10_000_000, "GB/s", f"s3fs,{LIMIT}", f"s3fs,{LIMIT}"),
        Work(
            "download-2g-plain",
            "download",
            1,
            2_000_000_000,
            frozenset({"obstore", LIMIT}),
            (OURS, "obstore", LIMIT),
        ),
    )
}
"""By name. The work of the 2 GB rows is one object, so that `count` stays 1 when it is quick."""


def measure(name: str, scale: Scale) -> list[Row]:
    """Return the rows of one benchmark."""
    work = TRANSFERS[name].scaled(scale)
    named = work.named | {OURS}
    needed = COPIES * work.count * work.size
    with touched_memory(needed), ObjectServer() as server, fast_folder() as folder:
        items = make_items(folder, "many", count=work.count, size=work.size)
        if work.operation == "download":
            put_stored(server.objects, items)

        def one(peer: str) -> Run:
            client = "ours:Plain" if (peer, name) == (OURS, "download-2g-plain") else PEERS[peer]
            return measure_client(client, work, server, items, folder)

        peers = [peer for peer in work.peers if peer in named or not scale.named_only]
        series = interleaved(
            peers, one, rounds=lambda p: scale.rounds if p in named else scale.other_rounds
        )
    return rows_of(name, work.rates, series)


def measure_client(
    client: str, work: Work, server: ObjectServer, items: list[Item], folder: Path
) -> Run:
    """Return one run in a fresh process; what it wrote is removed.

    Raises:
        FailedError: It failed or took too long.
        LookupError: It is not installed.
    """
    run = folder / "run"
    run.mkdir()
    place = Place(server.endpoint, server.bucket, str(server.root), str(run), "many")
    arguments = {
        "client": client,
        "operation": work.operation,
        "place": dataclasses.asdict(place),
        "items": [dataclasses.astuple(item) for item in items],
    }
    before = server.cpu_seconds()
    try:
        answer = call_fresh("benchmarks.transfer:run", arguments, limit_seconds=work.limit_seconds)
    finally:
        used = server.cpu_seconds() - before
        shutil.rmtree(run)
        if work.operation == "upload" and not work.keep:
            server.clear()
    if "missing" in answer:
        raise LookupError(answer["missing"])
    value = work.value(answer["seconds"])
    return cost(answer, value=value, gigabytes=work.gigabytes, server_seconds=used)
