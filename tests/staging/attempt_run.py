"""One attempt with one folder output, for tests of what is handed over while a body runs."""

from __future__ import annotations

import uuid

from rootcellar.schemas.manifest import Manifest
from rootcellar.staging import Output, StagingSession

JOURNAL = f"v-{uuid.uuid5(uuid.NAMESPACE_URL, 'task')}"


class Run:
    """One attempt with one folder output."""

    def __init__(self, stores, cache, journal=JOURNAL):
        self.session = StagingSession(stores, cache, run_uid=str(uuid.uuid4()))
        self.session.__enter__()
        self.path = self.session.reserve_output("tree", "tree")
        self.path.mkdir()
        self.root = f"v-{uuid.uuid4()}"
        self.output = Output(
            uri="raw://tree",
            path=self.path,
            kind="folder",
            root=self.root,
            artifact="Tree()",
            journal=journal,
        )
        self.checked = []

    def write(self, name, content=b"x"):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def add(self, path):
        self.session.handover(self.output).add(self.path / path, self.checked.append)

    def publish(self):
        self.session.prepare_output(self.output)
        [published] = self.session.publish()
        self.session.close()
        return published


def keys(stores):
    return sorted(item.key for item in stores.named("raw").list(""))


def manifest_of(stores):
    store = stores.named("raw")
    pin = store.stat("tree/_manifest.json")
    text = store.read("tree/_manifest.json", pin, 0, pin.size_bytes)
    return Manifest.from_bytes(text, uri="raw://tree")


def content_of(stores, key):
    store = stores.named("raw")
    pin = store.stat(key)
    return store.read(key, pin, 0, pin.size_bytes)
