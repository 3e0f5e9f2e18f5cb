"""boto3, aiobotocore, and a Celery task with boto3 as most people write it."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.place import KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from benchmarks.place import Item, Place

THREADS = 8
PART = 16 * 1024 * 1024


def _options(place: Place) -> dict[str, Any]:
    return {
        "endpoint_url": place.endpoint,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": KEY,
        "region_name": "us-east-1",
    }


class Boto3:
    """Its own parallel transfer for one object; one client in eight threads for many."""

    def __init__(self, place: Place) -> None:
        import boto3

        self._bucket = place.bucket
        self._client = boto3.client("s3", **_options(place))
        self._client.list_objects_v2(Bucket=place.bucket, MaxKeys=1)
        self._pool = ThreadPoolExecutor(THREADS)

    def download(self, items: list[Item]) -> None:
        list(self._pool.map(self._get, items))

    def upload(self, items: list[Item]) -> None:
        list(self._pool.map(self._put, items))

    def _get(self, item: Item) -> None:
        Path(item.target).parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(self._bucket, item.key, item.target)

    def _put(self, item: Item) -> None:
        self._client.upload_file(item.source, self._bucket, item.key)


class CeleryTask:
    """Two tasks, run in this process: each makes a client and moves its files one by one."""

    def __init__(self, place: Place) -> None:
        import boto3
        from celery import Celery

        app = Celery("by-hand", set_as_current=False)
        options, bucket = _options(place), place.bucket

        @app.task
        def fetch(pairs: list[list[str]]) -> None:
            s3 = boto3.client("s3", **options)
            for key, target in pairs:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, key, target)

        @app.task
        def store(pairs: list[list[str]]) -> None:
            s3 = boto3.client("s3", **options)
            for key, source in pairs:
                s3.upload_file(source, bucket, key)

        self._fetch, self._store = fetch, store
        boto3.client("s3", **options).list_objects_v2(Bucket=bucket, MaxKeys=1)

    def download(self, items: list[Item]) -> None:
        self._fetch.apply(args=([[item.key, item.target] for item in items],)).get()

    def upload(self, items: list[Item]) -> None:
        self._store.apply(args=([[item.key, item.source] for item in items],)).get()


class Aiobotocore:
    """Ranges or parts of 16 MiB, or small objects, eight at once, on one event loop."""

    def __init__(self, place: Place) -> None:
        from aiobotocore.session import get_session

        self._bucket = place.bucket
        self._loop = asyncio.new_event_loop()
        self._context = get_session().create_client("s3", **_options(place))
        self._client = self._loop.run_until_complete(self._context.__aenter__())
        self._loop.run_until_complete(self._client.list_objects_v2(Bucket=place.bucket, MaxKeys=1))

    def download(self, items: list[Item]) -> None:
        for item in items:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
        if len(items) == 1:
            self._loop.run_until_complete(self._get_ranges(items[0]))
        else:
            self._loop.run_until_complete(_at_once(self._get, items))

    def upload(self, items: list[Item]) -> None:
        if len(items) == 1:
            self._loop.run_until_complete(self._put_parts(items[0]))
        else:
            self._loop.run_until_complete(_at_once(self._put, items))

    def close(self) -> None:
        self._loop.run_until_complete(self._context.__aexit__(None, None, None))
        self._loop.close()

    async def _get(self, item: Item) -> None:
        answer = await self._client.get_object(Bucket=self._bucket, Key=item.key)
        async with answer["Body"] as body:
            Path(item.target).write_bytes(await body.read())  # noqa: ASYNC240

    async def _put(self, item: Item) -> None:
        content = Path(item.source).read_bytes()  # noqa: ASYNC240
        await self._client.put_object(Bucket=self._bucket, Key=item.key, Body=content)

    async def _get_ranges(self, item: Item) -> None:
        file = os.open(item.target, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(file, item.size)

        async def fetch(start: int) -> None:
            end = min(start + PART, item.size)
            answer = await self._client.get_object(
                Bucket=self._bucket, Key=item.key, Range=f"bytes={start}-{end - 1}"
            )
            async with answer["Body"] as body:
                os.pwrite(file, await body.read(), start)

        await _at_once(fetch, range(0, item.size, PART))
        os.close(file)

    async def _put_parts(self, item: Item) -> None:
        named = {"Bucket": self._bucket, "Key": item.key}
        named["UploadId"] = (await self._client.create_multipart_upload(**named))["UploadId"]
        file = os.open(item.source, os.O_RDONLY)

        async def send(start: int) -> dict[str, Any]:
            number = start // PART + 1
            answer = await self._client.upload_part(
                **named, PartNumber=number, Body=os.pread(file, PART, start)
            )
            return {"PartNumber": number, "ETag": answer["ETag"]}

        parts = await _at_once(send, range(0, item.size, PART))
        os.close(file)
        await self._client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})


async def _at_once(work: Callable[[Any], Awaitable[Any]], items: Iterable[Any]) -> list[Any]:
    """Work on all items, eight at a time, without barriers."""
    free = asyncio.Semaphore(THREADS)

    async def one(item: Any) -> Any:
        async with free:
            return await work(item)

    return await asyncio.gather(*map(one, items))
