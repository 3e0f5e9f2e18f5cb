"""Members that are handed over while the body runs."""

from __future__ import annotations

import os
import threading
import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    BindingError,
    ContentError,
    RootcellarError,
    StoreUnavailable,
)
from rootcellar.schemas.manifest import Manifest
from rootcellar.staging import Output, StagingSession
from rootcellar.staging.folder_input import pin_of_folder

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


@pytest.fixture
def run(stores, cache):
    run = Run(stores, cache)
    yield run
    run.session.close()


@pytest.fixture
def local_run(folder_stores, cache):
    run = Run(folder_stores, cache)
    yield run
    run.session.close()


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


class Counted:
    """What a store was asked to do."""

    def __init__(self, store, monkeypatch):
        self.copied, self.written, self.uploaded = [], [], []
        for name, calls, index in [
            ("copy", self.copied, 2),
            ("write_small", self.written, 0),
            ("upload", self.uploaded, 0),
        ]:
            monkeypatch.setattr(store, name, self._counting(getattr(store, name), calls, index))

    @staticmethod
    def _counting(real, calls, index):
        def call(*args):
            calls.append(args[index])
            return real(*args)

        return call

    def members(self):
        return [k for k in [*self.written, *self.uploaded] if not k.endswith(".json")]


def test_what_is_added_is_published_with_the_rest(run, stores):
    """Members that were handed over and members that were left make one folder."""
    run.add(run.write("a", b"one"))
    run.write("b/c", b"two")
    run.write("b/d", b"three")
    run.add("b")
    run.write("left", b"four")

    published = run.publish()

    manifest = manifest_of(stores)
    contents = {"a": b"one", "b/c": b"two", "b/d": b"three", "left": b"four"}
    assert {m.path: m.digest for m in manifest.members} == {
        name: Digest.of(content) for name, content in contents.items()
    }
    for name, content in contents.items():
        assert content == content_of(stores, f"tree/{run.root}/{name}")
    assert (published.members, published.size_bytes, published.transferred_bytes) == (4, 15, 15)
    assert run.checked == ["a", "b/c", "b/d"]
    assert not [key for key in keys(stores) if JOURNAL in key]


def test_what_is_added_frees_the_disk(local_run, wait_until):
    """A member is removed as soon as it is in the store, while the body goes on."""
    path = local_run.write("a", b"one")
    local_run.add(path)

    wait_until(lambda: not path.exists())


def test_nothing_is_a_folder_before_the_manifest(run, stores, wait_until):
    """Members are in the store, and nobody finds a folder."""
    path = run.write("a")
    run.add(path)
    wait_until(lambda: not path.exists())

    assert f"tree/{run.root}/a" in keys(stores)
    assert pin_of_folder(stores.store_for("raw://tree")) is None


def test_a_large_member_is_added_too(run, stores):
    """By the store's way for large files, then removed."""
    content = os.urandom(3_000_000)
    run.add(run.write("large", content))

    run.publish()

    assert content == content_of(stores, f"tree/{run.root}/large")


@pytest.mark.parametrize("path", ["..", "../x", "/etc/passwd", "a/../../x"])
def test_only_what_lies_inside_is_added(local_run, path):
    """A path that leaves the output is refused."""
    with pytest.raises(BindingError, match="does not lie in the output"):
        local_run.add(path)


def test_links_are_not_added(local_run, tmp_path):
    """Neither a link, nor what lies behind a linked folder."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x").write_bytes(b"x")
    (local_run.path / "link").symlink_to(tmp_path / "secret")
    (local_run.path / "file").symlink_to(tmp_path / "secret" / "x")

    for path in ["link", "link/x", "file"]:
        with pytest.raises(ContentError, match="symbolic link"):
            local_run.add(path)


def test_what_is_not_there_cannot_be_added(local_run):
    """The error names the member."""
    with pytest.raises(ContentError, match="is gone"):
        local_run.add("none")


def test_a_member_that_is_refused_is_not_sent(local_run, folder_stores):
    """What the format's check says of a member counts before anything moves."""
    path = local_run.write("a")
    handover = local_run.session.handover(local_run.output)

    def refuse(name):
        raise ContentError(f"{name} is not what it should be")

    with pytest.raises(ContentError, match="a is not"):
        handover.add(path, refuse)
    assert keys(folder_stores) == []


def test_the_same_file_again_does_nothing(local_run, folder_stores):
    """Adding a folder over and over adds what is new in it."""
    for name in ["a", "b", "c"]:
        local_run.add(local_run.write(name))
        local_run.add(".")
        local_run.add(name)

    assert local_run.publish().members == 3


def test_a_member_that_was_added_stays_as_it_was(local_run, wait_until):
    """Written and added again, it is refused: the first may be in the store already."""
    path = local_run.write("a", b"first")
    local_run.add(path)
    wait_until(lambda: not path.exists())
    local_run.write("a", b"second")

    with pytest.raises(ContentError, match="written again after it was handed over"):
        local_run.add(path)


def test_a_member_that_comes_back_is_refused_at_the_end(local_run, folder_stores, wait_until):
    """Also when it is not added again but left in the folder."""
    path = local_run.write("a", b"first")
    local_run.add(path)
    wait_until(lambda: not path.exists())
    local_run.write("a", b"second")

    with pytest.raises(ContentError, match="written again after it was handed over"):
        local_run.session.prepare_output(local_run.output)


def test_an_error_in_the_background_surfaces(local_run, folder_stores, monkeypatch):
    """At one of the next calls, or at the end; and nothing is published."""

    def fail(*_args):
        raise StoreUnavailable("down")

    monkeypatch.setattr(folder_stores.named("raw"), "write_small", fail)

    with pytest.raises(StoreUnavailable, match="down"):
        for number in range(1000):
            local_run.add(local_run.write(str(number)))
    with pytest.raises(StoreUnavailable, match="down"):
        local_run.session.prepare_output(local_run.output)


def test_adding_blocks_while_too_much_waits(local_run, folder_stores, monkeypatch, wait_until):
    """Files that wait for a slow store do not fill the disk."""
    store = folder_stores.named("raw")
    gate, real = threading.Semaphore(0), store.write_small
    added = []

    def slow(key, content):
        gate.acquire()
        return real(key, content)

    monkeypatch.setattr(store, "write_small", slow)

    def body():
        for number in range(20):
            local_run.add(local_run.write(str(number)))
            added.append(number)

    # The one process and thread that calls `add`.
    thread = threading.Thread(target=body)
    thread.start()
    wait_until(lambda: len(added) == 2 * store.parallel)
    assert thread.is_alive()
    assert 2 * store.parallel == len(added)
    gate.release(1000)
    thread.join()

    assert local_run.publish().members == 20


@pytest.mark.parametrize("journal", ["", JOURNAL])
def test_a_failed_run_leaves_nothing_once_it_is_over(stores, cache, journal):
    """Without another attempt to come, what was handed over is removed."""
    run = Run(stores, cache, journal)
    for number in range(5):
        run.add(run.write(str(number)))
    run.session.close()
    run.session.forget()

    assert keys(stores) == []


def test_a_run_of_no_task_leaves_nothing_at_once(stores, cache):
    """There is no other attempt that could use it."""
    run = Run(stores, cache, journal="")
    for number in range(5):
        run.add(run.write(str(number)))
    run.session.close()

    assert keys(stores) == []


class TestAnotherAttempt:
    """Of the same task, after one that failed or died."""

    @pytest.fixture(autouse=True)
    def _attempts(self, s3_stores, cache):
        self.stores = s3_stores
        self.cache = cache

    def fail(self, contents):
        run = Run(self.stores, self.cache)
        for name, content in contents.items():
            run.add(run.write(name, content))
        run.session.handover(run.output).finish()
        run.session.close()
        return run

    def test_it_copies_what_is_there(self, monkeypatch):
        """By digest, whatever the name; only new content is uploaded."""
        self.fail({"a": b"one", "b": b"two", "large": b"x" * 2_000_000})
        counted = Counted(self.stores.named("raw"), monkeypatch)
        run = Run(self.stores, self.cache)
        for name, content in {
            "a": b"one",
            "other": b"two",
            "new": b"new",
            "large": b"x" * 2_000_000,
        }.items():
            run.add(run.write(name, content))

        published = run.publish()

        assert sorted(f"tree/{run.root}/{n}" for n in ["a", "other", "large"]) == sorted(
            counted.copied
        )
        assert [f"tree/{run.root}/new"] == counted.members()
        assert published.transferred_bytes == 3
        assert b"two" == content_of(self.stores, f"tree/{run.root}/other")

    def test_it_removes_what_the_dead_left(self):
        """When it has published, neither notes nor members of ended attempts are left."""
        self.fail({"a": b"one"})
        run = Run(self.stores, self.cache)
        run.add(run.write("a", b"one"))
        run.publish()

        assert ["tree/_manifest.json", f"tree/{run.root}/a"] == keys(self.stores)

    def test_it_leaves_alone_what_may_live(self):
        """An attempt that did not say that it ended may publish yet: its members stay."""
        living = Run(self.stores, self.cache)
        living.add(living.write("a", b"one"))
        handover = living.session.handover(living.output)
        handover.finish()
        handover._journal.write()
        run = Run(self.stores, self.cache)
        run.add(run.write("a", b"one"))
        run.publish()

        assert f"tree/{living.root}/a" in keys(self.stores)
        assert living.publish().members == 1
        assert b"one" == content_of(self.stores, f"tree/{living.root}/a")

    def test_it_uploads_what_was_changed_since(self, monkeypatch):
        """An object that is not as it was noted is not used."""
        failed = self.fail({"a": b"one"})
        self.stores.named("raw").write_small(f"tree/{failed.root}/a", b"evil")
        run = Run(self.stores, self.cache)
        run.add(run.write("a", b"one"))
        run.publish()

        assert b"one" == content_of(self.stores, f"tree/{run.root}/a")

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{}",
            b'{"root":"../..","ended":true,"entries":[]}',
            b'{"root":"v-01890a5d-ac96-774b-bcce-b302099a8057","ended":true,"entries":'
            b'[{"path":"../../x","digest":"sha256:00","pin":{"size_bytes":1}}]}',
        ],
    )
    def test_notes_that_cannot_be_read_cost_an_upload(self, text):
        """And nothing else."""
        self.stores.named("raw").write_small(f"tree/{JOURNAL}/x.0.json", text)
        run = Run(self.stores, self.cache)
        run.add(run.write("a", b"one"))

        assert run.publish().members == 1

    def test_another_task_finds_nothing(self, monkeypatch):
        """Notes are of one task."""
        self.fail({"a": b"one"})
        counted = Counted(self.stores.named("raw"), monkeypatch)
        run = Run(self.stores, self.cache, journal=f"v-{uuid.uuid4()}")
        run.add(run.write("a", b"one"))
        run.publish()

        assert counted.copied == []

    def test_a_manifest_that_may_be_there_keeps_its_members(self, monkeypatch):
        """If the answer to its publication is lost, nothing is removed, nor said to have ended."""
        store = self.stores.named("raw")
        run = Run(self.stores, self.cache)
        run.add(run.write("a", b"one"))
        run.session.prepare_output(run.output)
        real = store.write_small

        def lost(key, content):
            real(key, content)
            if key.endswith("_manifest.json"):
                raise StoreUnavailable("the answer was lost")

        monkeypatch.setattr(store, "write_small", lost)
        with pytest.raises(RootcellarError):
            run.session.publish()
        run.session.close()
        run.session.forget()
        monkeypatch.undo()
        other = Run(self.stores, self.cache)
        other.add(other.write("b", b"one"))
        other.publish()

        assert b"one" == content_of(self.stores, f"tree/{run.root}/a")
