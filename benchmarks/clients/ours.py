"""rootcellar through its public engine, as a task uses it: a session over an empty cache."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.place import KEY
from benchmarks.transfer import MissingError
from rootcellar.staging.cache.cache import Cache
from rootcellar.staging.publication.output import Output
from rootcellar.staging.session import StagingSession
from rootcellar.staging.stores import transfer
from rootcellar.staging.stores.location import Stores

if TYPE_CHECKING:
    from benchmarks.place import Item, Place


def stores_at(place: Place) -> Stores:
    """Return the one store `bench://`, which is the bucket."""
    options = {"endpoint_url": place.endpoint, "key": KEY, "secret": KEY}
    return Stores.from_mapping({"bench": {"url": f"s3://{place.bucket}", "options": options}})


class Ours:
    """One file, or one folder of many; digest, cache and publication included."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stores = stores_at(place)
        self._stores.store_for("bench://none").store.stat("none")
        self._cache = Cache(Path(place.folder) / "cache")
        self._root = f"v-{uuid.uuid4()}"
        self._session = StagingSession(self._stores, self._cache, run_uid=str(uuid.uuid4()))
        self._many = False
        self._staged = self._written = Path()

    def prepare(self, operation: str, items: list[Item]) -> None:
        """Open the session; the body's work, writing an output, is not ours to count."""
        self._many = len(items) > 1
        self._session.__enter__()
        if operation == "upload":
            self._written = self._session.reserve_output("output", "output")
            if self._many:
                self._written.mkdir()
            for item in items:
                target = self._written / Path(item.source).name if self._many else self._written
                shutil.copyfile(item.source, target)

    def download(self, items: list[Item]) -> None:
        located = self._session.locate(self._uri(items), "folder" if self._many else "file")
        if located is None:
            raise RuntimeError("nothing is stored there")
        self._staged = self._session.stage_in(located, argument="input", name="input").path

    def upload(self, items: list[Item]) -> None:
        uri, path = self._uri(items), self._written
        output = (
            Output(uri=uri, path=path, kind="folder", root=self._root)
            if self._many
            else Output(uri=uri, path=path, kind="file")
        )
        self._session.prepare_output(output)
        self._session.publish()

    def found(self, item: Item) -> Path:
        return self._staged / Path(item.target).name if self._many else self._staged

    def stored_key(self, item: Item) -> str:
        folder, _, name = item.key.rpartition("/")
        return f"{folder}/{self._root}/{name}" if self._many else item.key

    def close(self) -> None:
        self._session.close()

    def _uri(self, items: list[Item]) -> str:
        return f"bench://{self._place.prefix if self._many else items[0].key}"


class Plain:
    """The transfer alone, without the digest."""

    def __init__(self, place: Place) -> None:
        if not hasattr(transfer, "receive"):
            raise MissingError("the engine has no way to leave the digest out")
        self._stores = stores_at(place)
        self._stores.store_for("bench://none").store.stat("none")

    def download(self, items: list[Item]) -> None:
        for item in items:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
            address = self._stores.store_for(f"bench://{item.key}")
            pin = address.store.stat(address.key)
            if pin is None:
                raise RuntimeError("nothing is stored there")
            with Path(item.target).open("wb") as file:
                transfer.receive(address, file.fileno(), pin, hasher=None, progress=None)
