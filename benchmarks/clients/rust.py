"""obstore and opendal, used directly in the ways that were fastest."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.place import KEY

if TYPE_CHECKING:
    from benchmarks.place import Item, Place

THREADS = 8
PART = 16 * 1024 * 1024


class Obstore:
    """`get_range` of 16 MiB in eight threads with pwrite; `put` of a path."""

    def __init__(self, place: Place) -> None:
        import obstore
        from obstore.store import S3Store

        self._obstore = obstore
        self._store = S3Store(
            place.bucket,
            endpoint=place.endpoint,
            access_key_id=KEY,
            secret_access_key=KEY,
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        self._pool = ThreadPoolExecutor(THREADS)
        obstore.list_with_delimiter(self._store, prefix="none")

    def download(self, items: list[Item]) -> None:
        for item in items:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
        if len(items) == 1:
            self._get_ranges(items[0])
        else:
            list(self._pool.map(self._get, items))

    def upload(self, items: list[Item]) -> None:
        if len(items) == 1:
            self._put(items[0])
        else:
            list(self._pool.map(self._put, items))

    def _get_ranges(self, item: Item) -> None:
        file = os.open(item.target, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(file, item.size)

        def fetch(start: int) -> None:
            end = min(start + PART, item.size)
            content = self._obstore.get_range(self._store, item.key, start=start, end=end)
            os.pwrite(file, content, start)

        list(self._pool.map(fetch, range(0, item.size, PART)))
        os.close(file)

    def _get(self, item: Item) -> None:
        with Path(item.target).open("wb") as file:
            file.write(self._obstore.get(self._store, item.key).bytes())

    def _put(self, item: Item) -> None:
        self._obstore.put(
            self._store, item.key, Path(item.source), chunk_size=PART, max_concurrency=THREADS
        )


class Opendal:
    """Its file objects for one object, eight threads of whole reads and writes for many."""

    def __init__(self, place: Place) -> None:
        import opendal

        self._operator = opendal.Operator(
            "s3",
            bucket=place.bucket,
            endpoint=place.endpoint,
            region="us-east-1",
            access_key_id=KEY,
            secret_access_key=KEY,
            disable_config_load="true",
            disable_ec2_metadata="true",
        )
        self._pool = ThreadPoolExecutor(THREADS)
        self._operator.exists("none")

    def download(self, items: list[Item]) -> None:
        for item in items:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
        if len(items) == 1:
            self._stream(items[0])
        else:
            list(self._pool.map(self._get, items))

    def upload(self, items: list[Item]) -> None:
        if len(items) > 1 and items[0].size < PART:
            list(self._pool.map(self._put, items))
        else:
            list(self._pool.map(self._write, items))

    def _stream(self, item: Item) -> None:
        with self._operator.open(item.key, "rb") as source, Path(item.target).open("wb") as file:
            while piece := source.read(PART // 16):
                file.write(piece)

    def _get(self, item: Item) -> None:
        with Path(item.target).open("wb") as file:
            file.write(self._operator.read(item.key))

    def _put(self, item: Item) -> None:
        self._operator.write(item.key, Path(item.source).read_bytes())

    def _write(self, item: Item) -> None:
        writer = self._operator.open(item.key, "wb", chunk=PART, concurrent=THREADS)
        with Path(item.source).open("rb") as file, writer as target:
            while piece := file.read(PART):
                target.write(piece)


class Pyarrow:
    """`copy_files` between its two file systems."""

    def __init__(self, place: Place) -> None:
        from pyarrow import fs

        self._copy, self._place = fs.copy_files, place
        self._local = fs.LocalFileSystem()
        self._s3 = fs.S3FileSystem(
            access_key=KEY,
            secret_key=KEY,
            endpoint_override=place.endpoint.removeprefix("http://"),
            scheme="http",
            region="us-east-1",
        )
        self._s3.get_file_info(f"{place.bucket}/none")

    def download(self, items: list[Item]) -> None:
        folder = Path(items[0].target).parent
        folder.mkdir(parents=True, exist_ok=True)
        source, target = self._path(items[0].key), items[0].target
        if len(items) > 1:
            source, target = self._path(self._place.prefix), str(folder)
        self._copy(source, target, source_filesystem=self._s3, destination_filesystem=self._local)

    def upload(self, items: list[Item]) -> None:
        source, target = items[0].source, self._path(items[0].key)
        if len(items) > 1:
            source, target = str(Path(source).parent), self._path(self._place.prefix)
        self._copy(source, target, source_filesystem=self._local, destination_filesystem=self._s3)

    def _path(self, key: str) -> str:
        return f"{self._place.bucket}/{key}"
