"""Outputs on their way: members once and early, the one object that shows them last."""

from __future__ import annotations

import os
import signal

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError, MissingOutput, StoreUnavailable
from rootcellar.staging import Output
from rootcellar.staging.publication.publication import Publication

ROOT = "v-01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def publication(stores):
    return Publication(stores)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "out"
    (path / "b").mkdir(parents=True)
    (path / "a").write_bytes(b"a")
    (path / "b" / "c").write_bytes(b"ccc")
    return Output(uri="raw://out/folder", path=path, kind="folder", root=ROOT, artifact="Out()")


def keys(stores):
    return sorted(item.key for item in stores.named("raw").list(""))


def test_members_are_visible_only_below_the_attempts_own_root(publication, stores, folder):
    """They are in the store as soon as they are prepared, and no folder is there."""
    from rootcellar.staging.folders.folder_input import pin_of_folder

    publication.prepare(folder)

    assert [f"out/folder/{ROOT}/a", f"out/folder/{ROOT}/b/c"] == keys(stores)
    assert pin_of_folder(stores.store_for(folder.uri)) is None


def test_no_member_is_read_twice(publication, folder, monkeypatch):
    """Each is opened once, from its preparation to its publication."""
    opened, real = [], os.open

    def counting(path, *rest, **options):
        opened.append(os.fspath(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", counting)
    publication.prepare(folder)
    publication.commit()

    assert [1, 1] == [opened.count(f"{folder.path}/{name}") for name in ("a", "b/c")]


def test_aborting_removes_members(publication, stores, folder):
    """Nobody was told of them."""
    publication.prepare(folder)

    publication.abort()

    assert keys(stores) == []


def test_aborting_after_the_manifest_was_tried_removes_nothing(
    publication, stores, folder, monkeypatch
):
    """It may be there though the answer was lost; then its members must be."""
    publication.prepare(folder)
    store = stores.named("raw")
    real = store.write_small

    def lost(key, content):
        real(key, content)
        raise StoreUnavailable("the answer was lost")

    monkeypatch.setattr(store, "write_small", lost)
    with pytest.raises(StoreUnavailable):
        publication.commit()
    publication.abort()
    publication.forget()

    assert len(keys(stores)) == 3


def test_an_interrupt_in_the_middle_leaves_nothing(folder_stores, tmp_path):
    """A soft time limit ends the uploads, and what was sent is removed."""
    path = tmp_path / "many"
    path.mkdir()
    for number in range(200):
        (path / str(number)).write_bytes(b"x")
    publication = Publication(folder_stores, Interrupt(after=50))

    with pytest.raises(SoftLimitError):
        publication.prepare(Output(uri="raw://many", path=path, kind="folder", root=ROOT))
    publication.abort()

    assert keys(folder_stores) == []


class SoftLimitError(Exception):
    """As Celery raises it in the main thread."""


class Interrupt:
    """Strikes the main thread after some transfers."""

    def __init__(self, after):
        self.left = after
        signal.signal(signal.SIGUSR1, self.strike)

    def strike(self, *_):
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        raise SoftLimitError

    def advance(self, size_bytes):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGUSR1)


def test_several_outputs_are_prepared_at_once(publication, stores, tmp_path):
    """Their order stays."""
    outputs = []
    for number in range(20):
        path = tmp_path / f"file-{number}"
        path.write_bytes(b"%d" % number)
        outputs.append(Output(uri=f"raw://many/{number}", path=path, kind="file"))

    publication.prepare(*outputs)
    assert keys(stores) == []
    published = publication.commit()

    assert [output.uri for output in outputs] == [one.uri for one in published]
    assert [Digest.of(b"%d" % n) for n in range(20)] == [one.digest for one in published]
    assert len(keys(stores)) == 20


def test_of_several_outputs_none_is_published_if_one_cannot_be(publication, stores, tmp_path):
    """Whichever it is."""
    (tmp_path / "file").write_bytes(b"x")
    file = Output(uri="raw://file", path=tmp_path / "file", kind="file")
    missing = Output(uri="raw://none", path=tmp_path / "none", kind="file")

    with pytest.raises(MissingOutput):
        publication.prepare(file, missing)
    publication.abort()

    assert keys(stores) == []


def test_a_large_manifest_is_sent_from_a_file(stores, cache, tmp_path, monkeypatch):
    """And kept, as a small one is."""
    from rootcellar.staging import StagingSession
    from rootcellar.staging.publication import outgoing

    monkeypatch.setattr(outgoing, "_SMALL_MANIFEST_BYTES", 10)
    with StagingSession(stores, cache, run_uid="run-1") as session:
        path = session.reserve_output("out", "out")
        path.mkdir()
        (path / "a").write_bytes(b"a")
        session.prepare_output(Output(uri="raw://out", path=path, kind="folder", root=ROOT))
        [published] = session.publish()
    with StagingSession(stores, cache, run_uid="run-2") as session:
        staged = session.stage_in(session.locate("raw://out", "folder"), argument="a", name="a")

        assert (True, published.digest) == (staged.hit, staged.digest)


def test_a_large_manifest_that_cannot_be_published_leaves_nothing(
    folder_stores, folder, monkeypatch, tmp_path
):
    """No hidden file stays beside it in the store."""
    from rootcellar.staging.publication import outgoing

    monkeypatch.setattr(outgoing, "_SMALL_MANIFEST_BYTES", 10)
    publication = Publication(folder_stores)
    publication.prepare(folder)

    def fail(*_args):
        raise StoreUnavailable("down")

    monkeypatch.setattr(folder_stores.named("raw"), "publish_temp", fail)
    with pytest.raises(StoreUnavailable, match="down"):
        publication.commit()

    assert [ROOT] == [found.name for found in (tmp_path / "store" / "out" / "folder").iterdir()]


class Writing:
    """Writes to a file whenever something was sent."""

    def __init__(self, path):
        self.path = path

    def advance(self, size_bytes):
        with self.path.open("ab") as file:
            file.write(b"more")


def test_a_member_that_is_written_to_while_it_is_sent_is_refused(folder_stores, folder):
    """What is in the store is what is on the disk, or an error."""
    publication = Publication(folder_stores, Writing(folder.path / "a"))

    with pytest.raises(ContentError, match="written to"):
        publication.prepare(folder)
    publication.abort()

    assert keys(folder_stores) == []
