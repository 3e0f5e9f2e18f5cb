"""What an input costs that is cached already, and one that 64 processes want at once."""

from __future__ import annotations

import dataclasses
import os
import shutil
import statistics
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.clients.ours import stores_at
from benchmarks.fresh import FailedError, call_fresh
from benchmarks.place import KEY, Place, make_items, put_stored
from benchmarks.server import ObjectServer
from benchmarks.suite import OURS, Row, Run, Series, disk_folder, fast_folder, rows_of
from rootcellar.staging.cache.cache import Cache
from rootcellar.staging.session import StagingSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.suite import Scale
    from rootcellar.staging.staged import Located

__all__ = ["measure_cold", "measure_hits"]

COUNT = 100
INPUT_BYTES = 20_000
COPIED_BYTES = 10_000_000
LIMIT_SECONDS = 120.0
MICRO = 1e6
PEERS = {
    "hit-one": ("µs", ("os.link", "boto3 head_object", "copy of 10 MB")),
    "hit-100": ("ms", ("os.link",)),
    "hit-100-same-name": ("ms", ("os.link",)),
    "hit-100-task": ("ms", ("os.link",)),
}


def measure_hits(name: str, scale: Scale) -> list[Row]:
    """Return the rows of `hit-one`, or of one of those with a hundred inputs.

    `hit-100-same-name` is `hit-100` with one name for all inputs, as of `…/{station}/data.nc`;
    `hit-100-task` is the whole session around it.
    """
    unit, peers = PEERS[name]
    series = {peer: Series() for peer in (OURS, *peers)}
    with ObjectServer() as server, disk_folder() as folder:
        items = make_items(folder, "hits", count=COUNT, size=INPUT_BYTES)
        (server.objects / "hits").mkdir()
        for item in items:
            shutil.copyfile(item.source, server.objects / item.key)
        for turn in range(scale.rounds):
            place = Place(server.endpoint, server.bucket, "", str(folder / f"run{turn}"), "hits")
            arguments = {
                "name": name,
                "place": dataclasses.asdict(place),
                "times": scale.pick(30, 3),
            }
            try:
                found = call_fresh(f"{__name__}:hits", arguments, limit_seconds=LIMIT_SECONDS)
            except FailedError as error:
                series[OURS].note = str(error)
                break
            for peer, seconds in found.items():
                series[peer].runs.append(Run(seconds * (MICRO if unit == "µs" else 1000)))
    return rows_of(name, unit, series)


def hits(name: str, place: dict[str, Any], times: int) -> dict[str, float]:
    """Within a fresh process: median seconds of ours and of each peer, taking turns."""
    where = Place(**place)
    folder = Path(where.folder)
    folder.mkdir()
    subject = _Hits(where)
    works: dict[str, Callable[[], list[float]]] = {
        OURS: {
            "hit-one": subject.each,
            "hit-100": lambda: [subject.hundred()],
            "hit-100-same-name": lambda: [subject.hundred(name="data.nc")],
            "hit-100-task": lambda: [subject.hundred(whole=True)],
        }[name],
        "os.link": lambda: _links(folder, COUNT, together=name != "hit-one"),
    }
    if name == "hit-one":
        works["boto3 head_object"] = _heads(where)
        works["copy of 10 MB"] = lambda: _copies(folder)
    seconds: dict[str, list[float]] = {peer: [] for peer in works}
    for _ in range(times):
        for peer, work in works.items():
            seconds[peer] += work()
    return {peer: statistics.median(values) for peer, values in seconds.items()}


class _Hits:
    """A cache that holds a hundred small inputs."""

    def __init__(self, place: Place) -> None:
        self._stores = stores_at(place)
        self._cache = Cache(Path(place.folder) / "cache")
        with self._session() as session:
            found = [
                session.locate(f"bench://hits/{number:06d}.bin", "file") for number in range(COUNT)
            ]
            self._located: list[Located] = [one for one in found if one is not None]
            self._stage(session)
        if len(self._located) != COUNT:
            raise RuntimeError("the inputs are not stored")

    def each(self) -> list[float]:
        """Return the seconds of each of a hundred inputs, as a hundred arguments."""
        seconds = []
        with self._session() as session:
            for number, located in enumerate(self._located):
                begun = time.perf_counter()
                staged = session.stage_in(
                    located, argument=f"input{number}", name=_name_of(located)
                )
                seconds.append(time.perf_counter() - begun)
                if not staged.hit:
                    raise RuntimeError("this was no hit")
        return seconds

    def hundred(self, *, name: str = "", whole: bool = False) -> float:
        """Return the seconds of a session with a hundred inputs of one argument.

        Args:
            name: Of all of them; without it each is called as in the store.
            whole: With the look at the inputs after the body, and the end of the session; without
                them until the last input is there, which is when a body begins.
        """
        begun = time.perf_counter()
        with self._session() as session:
            self._stage(session, name)
            ready = time.perf_counter() - begun
            session.check_inputs()
        return time.perf_counter() - begun if whole else ready

    def _session(self) -> StagingSession:
        return StagingSession(self._stores, self._cache, run_uid=str(uuid.uuid4()))

    def _stage(self, session: StagingSession, name: str = "") -> None:
        for number, located in enumerate(self._located):
            session.stage_in(
                located, argument="inputs", name=name or _name_of(located), ordinal=number
            )


def _name_of(located: Located) -> str:
    """Return what a task calls an input: the last segment of its URI."""
    return located.uri.rpartition("/")[2]


def _links(folder: Path, count: int, *, together: bool) -> list[float]:
    source, target = folder / "linked", folder / "links"
    source.touch()
    seconds = []
    target.mkdir()
    for number in range(count):
        begun = time.perf_counter()
        os.link(source, target / str(number))
        seconds.append(time.perf_counter() - begun)
    shutil.rmtree(target)
    return [sum(seconds)] if together else seconds


def _heads(place: Place) -> Callable[[], list[float]]:
    import boto3  # noqa: PLC0415 (hits alone does without)

    client = boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        region_name="us-east-1",
    )

    def head() -> list[float]:
        begun = time.perf_counter()
        client.head_object(Bucket=place.bucket, Key="hits/000000.bin")
        return [time.perf_counter() - begun]

    head()
    return head


def _copies(folder: Path) -> list[float]:
    source = folder / "ten"
    if not source.exists():
        source.write_bytes(os.urandom(COPIED_BYTES))
    begun = time.perf_counter()
    shutil.copyfile(source, folder / "copy")
    seconds = time.perf_counter() - begun
    (folder / "copy").unlink()
    return [seconds]


ALONE = "one process alone"


def measure_cold(name: str, scale: Scale) -> list[Row]:
    """Return the rows of `cold-64`: the last process's time beside that of one alone."""
    series = {OURS: Series(), ALONE: Series()}
    downloads = Series()
    with ObjectServer() as server, fast_folder() as folder:
        size = scale.pick(256_000_000, 8_000_000)
        put_stored(server.objects, make_items(folder, "cold", count=1, size=size))
        for turn in range(scale.rounds):
            for peer, count in ((OURS, scale.pick(64, 8)), (ALONE, 1)):
                run = folder / f"run{turn}-{count}"
                place = Place(server.endpoint, server.bucket, "", str(run), "cold")
                arguments = {"place": dataclasses.asdict(place), "count": count}
                try:
                    found = call_fresh(f"{__name__}:cold", arguments, limit_seconds=LIMIT_SECONDS)
                except FailedError as error:
                    series[peer].note = str(error)
                    continue
                finally:
                    shutil.rmtree(run, ignore_errors=True)
                series[peer].runs.append(Run(found["seconds"]))
                if peer == OURS:
                    downloads.runs.append(Run(found["downloads"]))
    return rows_of(name, "s", series) + rows_of(f"{name}-downloads", "objects", {OURS: downloads})


def cold(place: dict[str, Any], count: int) -> dict[str, float]:
    """Within a fresh process: fork others that connect, wait, and stage one input at once.

    None of them ends before all have it, as workers do not end after an input either: to take a
    process down is more work for the machine than what it did here.
    """
    where = Place(**place)
    Path(where.folder).mkdir()
    Cache(Path(where.folder) / "cache")
    gate, opened = os.pipe()
    end, over = os.pipe()
    ready, tell = os.pipe()
    children = []
    for _ in range(count):
        if child := os.fork():
            children.append(child)
            continue
        code = 1
        try:
            os.close(opened)
            os.close(over)
            _stage_at_gate(where, gate, end, tell)
            code = 0
        finally:
            os._exit(code)
    for _ in range(count):
        os.read(ready, 1)
    begun = time.perf_counter()
    os.close(opened)
    for _ in range(count):
        os.read(ready, 1)
    os.close(over)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    if failed:
        raise RuntimeError(f"{failed} of {count} processes failed")
    lines = [path.read_text("utf-8").split() for path in Path(where.folder).glob("*.done")]
    return {
        "seconds": max(float(ended) for ended, _ in lines) - begun,
        "downloads": float(sum(int(transferred) > 0 for _, transferred in lines)),
    }


def _stage_at_gate(where: Place, gate: int, end: int, tell: int) -> None:
    stores = stores_at(where)
    stores.store_for("bench://none").store.stat("none")
    session = StagingSession(stores, Cache(Path(where.folder) / "cache"), run_uid=str(uuid.uuid4()))
    os.write(tell, b".")
    os.read(gate, 1)
    try:
        with session:
            located = session.locate("bench://cold/000000.bin", "file")
            if located is None:
                raise RuntimeError("nothing is stored there")
            staged = session.stage_in(located, argument="input", name="input.bin")
            ended = time.perf_counter()
            text = f"{ended} {staged.transferred_bytes}"
            (Path(where.folder) / f"{os.getpid()}.done").write_text(text, "utf-8")
    finally:
        os.write(tell, b".")
        os.read(end, 1)
