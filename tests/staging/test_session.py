"""One run's files, from locating inputs to publishing outputs."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    ContentError,
    DigestMismatch,
    InputModified,
)
from rootcellar.staging import Cache, Located, Output, StagingSession


def root():
    return f"v-{uuid.uuid4()}"


@pytest.fixture
def start(stores, cache):
    """Begin a run on this host, or with another cache on another host."""

    def begin(on=cache):
        return StagingSession(stores, on, run_uid=str(uuid.uuid4()))

    return begin


@pytest.fixture
def other_host(tmp_path):
    return Cache(tmp_path / "other-cache")


@pytest.fixture
def publish(start):
    """Publish a file, or a folder from a mapping, in a run of its own."""

    def run(uri, content):
        with start() as session:
            path = session.reserve_output("out", "out")
            if isinstance(content, bytes):
                path.write_bytes(content)
                session.prepare_output(Output(uri=uri, path=path, kind="file"))
            else:
                for name, text in content.items():
                    (path / name).parent.mkdir(parents=True, exist_ok=True)
                    (path / name).write_bytes(text)
                session.prepare_output(Output(uri=uri, path=path, kind="folder", root=root()))
            [published] = session.publish()
        return published

    return run


def located(published):
    return Located(published.uri, published.kind, published.pin)


TREE = {"a": b"a", "b/c": b"ccc"}


def read_tree(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_nothing_is_located_where_nothing_is(start):
    """An input that is not there is None, file or folder."""
    with start() as session:
        assert session.locate("raw://none", "file") is None
        assert session.locate("raw://none", "folder") is None


def test_a_published_file_is_staged_on_another_host(start, publish, other_host):
    """What one run publishes the next run reads, wherever it runs."""
    published = publish("raw://a.dat", b"content")

    with start(other_host) as session:
        found = session.locate("raw://a.dat", "file")
        staged = session.stage_in(found, argument="weather", name="a.dat")

        assert staged.path.read_bytes() == b"content"
        assert (published.digest, published.pin) == (staged.digest, staged.pin)
        assert (staged.hit, staged.transferred_bytes, staged.members) == (False, 7, None)


def test_a_published_output_is_a_hit_on_its_host(start, publish):
    """The next task on the host downloads nothing of what the last one made."""
    publish("raw://a.dat", b"content")
    publish("raw://tree", TREE)

    with start() as session:
        file = session.stage_in(session.locate("raw://a.dat", "file"), argument="a", name="a")
        tree = session.stage_in(session.locate("raw://tree", "folder"), argument="b", name="b")

        assert (file.hit, file.transferred_bytes) == (True, 0)
        assert (tree.hit, tree.transferred_bytes) == (True, 0)


def test_a_folder_is_staged_as_it_was_published(start, publish, other_host):
    """A folder's members, digest and pin are those of its manifest."""
    published = publish("raw://tree", TREE)

    with start(other_host) as session:
        found = session.locate("raw://tree/", "folder")
        staged = session.stage_in(found, argument="tree", name="tree", expected=published.digest)

        assert read_tree(staged.path) == TREE
        assert (published.digest, published.pin) == (staged.digest, staged.pin)
        assert (staged.members, staged.size_bytes, staged.transferred_bytes) == (2, 4, 4)


def test_a_replaced_folder_is_read_whole(start, publish, other_host):
    """Who located a folder before it was replaced gets the old one or the new, never both."""
    publish("raw://tree", TREE)

    with start(other_host) as session:
        found = session.locate("raw://tree", "folder")
        new = {"a": b"new a", "d": b"d"}
        publish("raw://tree", new)
        staged = session.stage_in(found, argument="tree", name="tree")

        assert read_tree(staged.path) == (TREE if found.pin.version_id else new)


def test_a_foreign_folder_is_staged_by_its_listing(start, stores, publish, other_host):
    """A folder that nobody published has its listing for a pin, and gets a manifest."""
    for name, content in TREE.items():
        stores.named("raw").write_small(f"tree/{name}", content)

    with start() as session:
        found = session.locate("raw://tree", "folder")
        staged = session.stage_in(found, argument="tree", name="tree")

        assert found.pin == staged.pin
        assert read_tree(staged.path) == TREE
        assert staged.digest == publish("raw://copy", TREE).digest

    with start(other_host) as session:
        again = session.stage_in(found, argument="t", name="t", expected=staged.digest)
        assert read_tree(again.path) == TREE


def test_a_foreign_folder_that_changed_is_not_the_expected(start, stores, other_host):
    """A pinned listing that no longer holds is an error, never another folder."""
    stores.named("raw").write_small("tree/a", b"a")
    with start() as session:
        found = session.locate("raw://tree", "folder")
        staged = session.stage_in(found, argument="tree", name="tree")
    stores.named("raw").write_small("tree/b", b"b")

    with start(other_host) as session, pytest.raises(ArtifactNotFound, match="replaced since"):
        session.stage_in(found, argument="tree", name="tree", expected=staged.digest)


def test_a_foreign_folder_with_a_climbing_name_is_refused(s3_stores, s3_client, bucket, cache):
    """A key that would leave the workdir is refused."""
    s3_client.put_object(Bucket=bucket, Key="root/tree/a/../../x", Body=b"x")

    with StagingSession(s3_stores, cache, run_uid="r") as session:
        found = session.locate("raw://tree", "folder")
        with pytest.raises(ContentError, match="not safe"):
            session.stage_in(found, argument="tree", name="tree")


@pytest.mark.parametrize("content", [b"old", TREE], ids=["file", "folder"])
def test_a_ref_is_staged_from_the_cache_after_it_was_replaced(start, publish, content):
    """The host that has a version's bytes serves it whatever became of the object."""
    old = publish("raw://x", content)
    publish("raw://x", b"new" if content == b"old" else {"new": b"new"})

    with start() as session:
        staged = session.stage_in(located(old), argument="x", name="x", expected=old.digest)

        got = staged.path.read_bytes() if old.kind == "file" else read_tree(staged.path)
        assert content == got
        assert old.digest == staged.digest
        assert staged.hit


@pytest.mark.parametrize("content", [b"old", TREE], ids=["file", "folder"])
def test_a_ref_that_was_replaced_is_read_by_version_or_refused(start, publish, other_host, content):
    """Elsewhere, a store with versions still serves it; without, the error says why not."""
    old = publish("raw://x", content)
    publish("raw://x", b"new" if content == b"old" else {"new": b"new"})

    with start(other_host) as session:
        if old.pin.version_id:
            staged = session.stage_in(located(old), argument="x", name="x", expected=old.digest)
            assert old.digest == staged.digest
        else:
            with pytest.raises(ArtifactNotFound, match="replaced since"):
                session.stage_in(located(old), argument="x", name="x", expected=old.digest)
            assert list((session.workdir / "in").rglob("*")) == []


def test_a_member_that_was_tampered_with_is_refused(start, stores, publish, other_host):
    """A folder's members are what its manifest says, or an error."""
    publish("raw://tree", TREE)
    [key] = [item.key for item in stores.named("raw").list("tree") if item.key.endswith("/a")]
    stores.named("raw").write_small(key, b"X")

    with start(other_host) as session:
        found = session.locate("raw://tree", "folder")
        with pytest.raises(DigestMismatch):
            session.stage_in(found, argument="tree", name="tree")


def test_a_changed_input_is_reported_and_dropped(start, publish, cache):
    """A body that wrote to its input fails, and the next run downloads it again."""
    published = publish("raw://a", b"content")
    with start() as session:
        staged = session.stage_in(located(published), argument="weather", name="a")
        session.check_inputs()
        staged.path.chmod(0o644)
        staged.path.write_bytes(b"CONTENT")

        with pytest.raises(InputModified, match="weather") as caught:
            session.check_inputs()
        assert caught.value.uri == "raw://a"

    with start() as session:
        staged = session.stage_in(located(published), argument="weather", name="a")
        assert not staged.hit
        assert staged.path.read_bytes() == b"content"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_that_fails_publishes_nothing(start, stores, cache, error):
    """Whatever ends a run, prepared outputs stay invisible and the workdir goes."""

    def fail():
        with start() as session:
            path = session.reserve_output("out", "a")
            path.write_bytes(b"content")
            session.prepare_output(Output(uri="raw://a", path=path, kind="file"))
            raise error

    with pytest.raises(error):
        fail()

    assert list(stores.named("raw").list("")) == []
    assert list((cache.root / "work").iterdir()) == []


def test_outputs_are_published_even_if_they_cannot_be_kept(start, stores, cache, caplog):
    """A cache that fails after publication costs a download, not the run."""
    with start() as session:
        path = session.reserve_output("out", "a")
        path.write_bytes(b"content")
        session.prepare_output(Output(uri="raw://a", path=path, kind="file"))
        (cache.root / "sources").rmdir()
        (cache.root / "sources").write_text("in the way")
        [published] = session.publish()

    assert Digest.of(b"content") == published.digest
    assert "could not be kept" in caplog.text


def open_files(tests):
    """Return the files this process holds open; connections of the S3 server in it come and go.

    So do files of tests before this one, whose threads may still close some.
    """
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(descriptor.readlink())
    ours = [one for one in found if tests.parent not in one.parents or tests in one.parents]
    return sorted(str(one) for one in ours if one.is_absolute())


def test_a_session_leaves_no_open_files(start, publish, tmp_path):
    """Runs do not use up the process's files."""
    publish("raw://a", b"content")
    before = open_files(tmp_path)

    publish("raw://a", b"content")

    assert before == open_files(tmp_path)


@pytest.mark.parametrize("error", [DigestMismatch("other bytes"), OSError(5, "I/O error")])
def test_what_cannot_be_kept_is_published_all_the_same(start, stores, monkeypatch, caplog, error):
    """A failure of the host, once all is visible, is a line in the log."""

    def add(*_):
        raise error

    with start() as session:
        path = session.reserve_output("out", "out")
        path.write_bytes(b"content")
        session.prepare_output(Output(uri="raw://a", path=path, kind="file"))
        monkeypatch.setattr(session._cache, "add", add)
        [published] = session.publish()

    assert published.pin == stores.named("raw").stat("a")
    assert "could not be kept" in caplog.text


def test_an_interrupt_while_streams_end_leaves_nothing(folder_stores, cache, tmp_path, monkeypatch):
    """Outputs are given up and the workdir goes, whatever strikes first."""

    def interrupted():
        raise KeyboardInterrupt

    session = StagingSession(folder_stores, cache, run_uid="run")
    session.__enter__()
    path = session.reserve_output("out", "out")
    path.write_bytes(b"content")
    session.prepare_output(Output(uri="raw://a", path=path, kind="file"))
    close = session._streams.close
    monkeypatch.setattr(session._streams, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.close()
    close()

    assert [] == [found.name for found in (tmp_path / "store").iterdir()]
    assert not session.workdir.exists()


def test_a_file_that_the_host_has_is_placed_at_once(start, publish):
    """As `stage_in` places it; the body may not tell the two apart."""
    published = publish("raw://day", b"rain")
    with start() as session:
        known = session.stage_known(located(published), argument="day", name="day")
        staged = session.stage_in(located(published), argument="day", ordinal=1, name="day")

        assert (b"rain", b"rain") == (known.path.read_bytes(), staged.path.read_bytes())
        assert (True, staged.digest, staged.pin) == (known.hit, known.digest, known.pin)


def test_what_the_host_lacks_is_not_placed(start, publish, other_host):
    """Nothing is asked of a store, nor waited for; folders are staged as ever."""
    published = publish("raw://day", b"rain")
    folder = publish("raw://tree", TREE)

    with start(other_host) as session:
        assert session.stage_known(located(published), argument="day", name="day") is None
    with start() as session:
        assert session.stage_known(located(folder), argument="tree", name="tree") is None


def test_what_is_evicted_at_this_moment_is_not_placed(start, publish, cache, monkeypatch):
    """Then it is fetched as if it had never been here."""
    published = publish("raw://day", b"rain")
    known = cache.known

    def known_and_gone(*arguments):
        found = known(*arguments)
        found.path.unlink()
        return found

    monkeypatch.setattr(cache, "known", known_and_gone)
    with start() as session:
        assert session.stage_known(located(published), argument="day", name="day") is None


def test_a_body_that_changes_what_was_placed_at_once_is_found_out(start, publish):
    """The error names the URI, and the entry is not served again."""
    published = publish("raw://day", b"rain")
    with start() as session:
        known = session.stage_known(located(published), argument="day", name="day")
        known.path.chmod(0o600)
        known.path.write_bytes(b"snow")
        with pytest.raises(InputModified) as caught:
            session.check_inputs()

    assert "raw://day" == caught.value.uri
    with start() as session:
        assert session.stage_known(located(published), argument="day", name="day") is None
