"""The same transfers once against moto, which knows S3 better than the suite's own server."""

from __future__ import annotations

import dataclasses
import http.client
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import FailedError, call_fresh
from benchmarks.place import Place, make_items
from benchmarks.processes import NotStartedError, free_port, started
from benchmarks.suite import GB, OURS, Run, cost, disk_folder, fast_folder, interleaved, rows_of
from benchmarks.transfers import PEERS

if TYPE_CHECKING:
    from benchmarks.place import Item
    from benchmarks.suite import Row, Scale

__all__ = ["measure"]

SIZE = 100_000_000
LIMIT_SECONDS = 120.0
CLIENTS = (OURS, "s3fs", "obstore", "boto3")
BUCKET = "bench"


def measure(name: str, scale: Scale) -> list[Row]:
    """Return the rows of `truth-download` or `truth-upload`: bytes compared, rates moto's."""
    operation = name.removeprefix("truth-")
    size, port = scale.pick(SIZE, 20_000_000), free_port()
    command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with (
        disk_folder() as logs,
        fast_folder() as folder,
        started(command, logs / "moto.log", port=port, limit_seconds=60.0),
    ):
        items = make_items(folder, "many", count=1, size=size)
        _request(port, "PUT", f"/{BUCKET}")
        if operation == "download":
            _request(port, "PUT", f"/{BUCKET}/{items[0].key}", Path(items[0].source).read_bytes())
        run = folder / "run"
        place = Place(f"http://127.0.0.1:{port}", BUCKET, "", str(run), "many")
        series = interleaved(
            CLIENTS,
            lambda peer: _measure(PEERS[peer], operation, place, items),
            rounds=lambda _: scale.pick(3, 1),
        )
    return rows_of(name, "GB/s", series)


def _measure(client: str, operation: str, place: Place, items: list[Item]) -> Run:
    Path(place.folder).mkdir()
    arguments = {
        "client": client,
        "operation": operation,
        "place": dataclasses.asdict(place),
        "items": [dataclasses.astuple(item) for item in items],
    }
    try:
        answer = call_fresh("benchmarks.transfer:run", arguments, limit_seconds=LIMIT_SECONDS)
    finally:
        shutil.rmtree(place.folder)
    if "missing" in answer:
        raise FailedError(answer["missing"])
    gigabytes = items[0].size / GB
    return cost(answer, value=gigabytes / answer["seconds"], gigabytes=gigabytes)


def _request(port: int, method: str, path: str, body: bytes = b"") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body=body)
        if connection.getresponse().status >= http.client.BAD_REQUEST:
            raise NotStartedError(f"moto refused {method} {path}")
    finally:
        connection.close()
