"""s3fs as it comes, and cloudpathlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.place import KEY

if TYPE_CHECKING:
    from benchmarks.place import Item, Place


class S3fs:
    def __init__(self, place: Place) -> None:
        import s3fs

        self._place = place
        self._fs = s3fs.S3FileSystem(endpoint_url=place.endpoint, key=KEY, secret=KEY)
        self._fs.exists(f"{place.bucket}/none")

    def download(self, items: list[Item]) -> None:
        if len(items) == 1:
            Path(items[0].target).parent.mkdir(parents=True, exist_ok=True)
            self._fs.get_file(self._path(items[0]), items[0].target)
        else:
            self._fs.get([self._path(item) for item in items], [item.target for item in items])

    def upload(self, items: list[Item]) -> None:
        if len(items) == 1:
            self._fs.put_file(items[0].source, self._path(items[0]))
        else:
            self._fs.put([item.source for item in items], [self._path(item) for item in items])

    def _path(self, item: Item) -> str:
        return f"{self._place.bucket}/{item.key}"


class Cloudpathlib:
    def __init__(self, place: Place) -> None:
        from cloudpathlib import S3Client

        self._client = S3Client(
            endpoint_url=place.endpoint,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
            local_cache_dir=f"{place.folder}/cloudpathlib",
        )
        self._root = f"s3://{place.bucket}"
        (self._client.CloudPath(f"{self._root}/none")).exists()

    def download(self, items: list[Item]) -> None:
        for item in items:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
            self._client.CloudPath(f"{self._root}/{item.key}").download_to(item.target)

    def upload(self, items: list[Item]) -> None:
        for item in items:
            self._client.CloudPath(f"{self._root}/{item.key}").upload_from(item.source)
