"""Members that are handed over while the body runs."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from attempt_run import JOURNAL, Run, content_of, keys, manifest_of

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    BindingError,
    ContentError,
    StoreUnavailable,
)
from rootcellar.staging.engine.pipeline import Stopped
from rootcellar.staging.folders.folder_input import pin_of_folder
from rootcellar.staging.publication import handover, outgoing, publication
from rootcellar.staging.publication.folder_upload import FolderUpload
from rootcellar.staging.publication.journal import Journal


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


def test_the_time_of_what_is_added_counts(local_run, monkeypatch):
    """Members went while the body ran, so a rate over the end alone would be none."""
    now = [0.0]
    monkeypatch.setattr(outgoing, "time", SimpleNamespace(monotonic=lambda: now[0]))
    local_run.add(local_run.write("a", b"one"))
    now[0] = 100.0

    assert local_run.publish().seconds == 100.0


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

    def body():
        for number in range(1000):
            local_run.add(local_run.write(str(number)))

    with pytest.raises(StoreUnavailable, match="down"):
        body()
    with pytest.raises(StoreUnavailable, match="down"):
        local_run.session.prepare_output(local_run.output)


def test_a_process_without_threads_hears_of_it(local_run, monkeypatch):
    """At each call, and its end waits for nobody."""

    class NoThreads:
        allocate_lock = threading.Lock

        @staticmethod
        def start_new_thread(*_args):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(handover, "_thread", NoThreads)
    for name in ("a", "b"):
        with pytest.raises(RuntimeError, match="new thread"):
            local_run.add(local_run.write(name))
    local_run.session.close()

    assert not local_run.path.exists()


def test_a_member_that_the_body_removes_too(local_run, monkeypatch):
    """Once it is sent, it makes no difference who removes it."""
    real = FolderUpload.send

    def send(upload, name):
        sent = real(upload, name)
        (local_run.path / name).unlink()
        return sent

    monkeypatch.setattr(FolderUpload, "send", send)
    local_run.add(local_run.write("a"))
    local_run.session.finish_handovers()

    assert 1 == local_run.publish().members


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


@pytest.fixture
def gate(monkeypatch):
    """Keeps what was added from being uploaded until it is opened."""
    opened, send = threading.Event(), FolderUpload.send

    def held(upload, name):
        opened.wait(20)
        return send(upload, name)

    monkeypatch.setattr(FolderUpload, "send", held)
    yield opened
    opened.set()


def test_what_is_changed_before_its_upload_is_refused(local_run, gate):
    """A member is what it was when it was handed over, or the run fails; its file stays."""
    path = local_run.write("a", b"one")
    local_run.add(path)
    path.write_bytes(b"two")
    gate.set()

    with pytest.raises(ContentError, match="written to while"):
        local_run.publish()

    assert b"two" == path.read_bytes()


def test_what_is_put_in_a_members_place_is_not_removed(local_run, gate, tmp_path):
    """A body that moves an added folder elsewhere and links it loses nothing there."""
    local_run.write("d/a", b"one")
    local_run.add("d/a")
    (local_run.path / "d").rename(tmp_path / "moved")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_bytes(b"precious")
    (local_run.path / "d").symlink_to(tmp_path / "other")
    gate.set()

    with pytest.raises(ContentError):
        local_run.publish()

    assert b"precious" == (tmp_path / "other" / "a").read_bytes()


def test_what_is_written_again_during_its_upload_is_not_removed(local_run, monkeypatch):
    """Its bytes are nowhere else; that it was written again is told at the end."""
    path, send = local_run.write("a", b"one"), FolderUpload.send

    def rewritten(upload, name):
        sent = send(upload, name)
        path.unlink()
        path.write_bytes(b"two")
        return sent

    monkeypatch.setattr(FolderUpload, "send", rewritten)
    local_run.add(path)

    with pytest.raises(ContentError, match="was written again"):
        local_run.publish()

    assert b"two" == path.read_bytes()


def test_several_threads_of_a_body_add(local_run, monkeypatch):
    """The first begins the upload, once; no member is lost and nobody waits for ever."""
    slow, folders = publication.OutgoingFolder, []

    class Slow(slow):
        def __init__(self, *arguments):
            folders.append(self)
            started.wait(0.2)
            super().__init__(*arguments)

    started, earlier = threading.Event(), Journal.earlier

    def slowly(journal):
        started.wait(0.2)
        return earlier(journal)

    monkeypatch.setattr(publication, "OutgoingFolder", Slow)
    monkeypatch.setattr(Journal, "earlier", slowly)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: local_run.add(local_run.write(f"m{n}")), range(40)))

    assert 40 == local_run.publish().members
    assert 1 == len(folders)


def test_a_thread_that_waits_to_add_hears_of_the_end(local_run, monkeypatch, wait_until):
    """When the body is interrupted, no thread of its own is left waiting."""
    entered, stopping = threading.Event(), threading.Event()

    def held(_upload, _name):
        entered.set()
        stopping.wait(20)
        raise Stopped

    monkeypatch.setattr(FolderUpload, "send", held)
    # Written first: where the run ends, its folder is gone under whoever still writes.
    paths = [local_run.write(f"m{number}") for number in range(99)]
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(lambda: list(map(local_run.add, paths)))
        assert entered.wait(20)
        taken = local_run.session.handover(local_run.output).taken
        wait_until(lambda: len(taken) >= 2)
        threading.Timer(0.1, stopping.set).start()
        local_run.session.close()

        with pytest.raises((BindingError, ContentError)):
            adding.result(20)
