"""The artifact types of the end-to-end tests, and a file system that fails when it is told to."""

import time
from pathlib import Path

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from rootcellar import Artifact, Csv, Folder, Json, Parquet, Registry, Text

registry = Registry("grid")


class MoodyFileSystem(LocalFileSystem):
    """Local files, but `<file>.failures` reads fail first, and renames take `<file>.seconds`."""

    protocol = "moody"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return LocalFileSystem._strip_protocol(str(path).removeprefix("moody://"))

    def cat_file(self, path, start=None, end=None, **options):
        failures = Path(f"{self._strip_protocol(path)}.failures")
        left = int(failures.read_text()) if failures.exists() else 0
        if left:
            failures.write_text(str(left - 1))
            raise ConnectionResetError(104, "Connection reset by peer")
        return super().cat_file(path, start=start, end=end, **options)

    def mv(self, path1, path2, **options):
        seconds = Path(f"{self._strip_protocol(path2)}.seconds")
        started = time.monotonic()
        while seconds.exists() and time.monotonic() < started + float(seconds.read_text()):
            time.sleep(0.05)
        super().mv(path1, path2, **options)


fsspec.register_implementation("moody", MoodyFileSystem, clobber=True)


@registry.register
class Weather(Artifact, uri="raw://weather/{station:03d}.txt", format=Text()):
    """Some words about one place."""

    station: int


@registry.register
class MoodyWeather(Artifact, uri="moody://weather/{station:03d}.txt", format=Text()):
    """Weather in a store that fails when it is told to."""

    station: int


@registry.register(arguments=["generation", "generations"])
class Generation(
    Artifact, uri="derived://generation/{station:03d}/tilt={tilt}.json", format=Json()
):
    station: int
    tilt: int


@registry.register
class Capacity(Artifact, uri="derived://capacity/{station:03d}.json", format=Json()):
    station: int


@registry.register(arguments=["total", "totals"])
class Total(Artifact, uri="derived://total/{station:03d}.json", format=Json()):
    station: int


@registry.register
class Snapshot(Artifact, uri="derived://snapshot/{station:03d}/{version}.json", format=Json()):
    """Every version keeps a place of its own."""

    station: int


@registry.register(arguments=["parts"])
class Part(Artifact, uri="derived://part/{station:03d}/{name}.txt", format=Text()):
    station: int
    name: str


@registry.register(arguments=["tiles", "several"])
class Tiles(Artifact, uri="derived://tiles/{station:03d}", format=Folder("*.txt", member=Text())):
    station: int


@registry.register
class Moody(Artifact, uri="moody://total/{station:03d}.json", format=Json()):
    """A result in the store that is slow when it is told to be."""

    station: int


@registry.register
class Frame(
    Artifact,
    uri="derived://frame/{station:03d}.parquet",
    format=Parquet(schema=pa.schema([pa.field("hour", pa.int64()), pa.field("kw", pa.float64())])),
):
    station: int


@registry.register
class Lines(Artifact, uri="derived://lines/{station:03d}.csv", format=Csv()):
    station: int


@registry.register
class Elsewhere(Artifact, uri="nowhere://x/{station:03d}.txt", format=Text()):
    """In a store that the settings name and that does not exist."""

    station: int
