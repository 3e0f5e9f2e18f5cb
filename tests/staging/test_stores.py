"""What every store promises, over a folder, memory and S3 with and without versions."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    AccessDenied,
    DigestMismatch,
    ObjectChanged,
    StoreMissing,
)
from rootcellar.staging import Stores
from rootcellar.staging.stores.s3 import uploads as s3_transfer
from rootcellar.staging.stores.s3.s3fs_upload import PART_BYTES
from rootcellar.staging.stores.store import CHUNK_BYTES

BIG = os.urandom(PART_BYTES) + b"end"


@pytest.fixture(autouse=True)
def two_parts(monkeypatch):
    """Both ways into S3 send BIG in two parts."""
    monkeypatch.setattr(s3_transfer, "PART_BYTES", PART_BYTES)


def listed(store, prefix=""):
    return sorted(item.key for item in store.list(prefix))


def test_an_object_that_is_not_there_has_no_pin(stores):
    """`stat` answers None where nothing is."""
    assert stores.named("raw").stat("weather/03.dat") is None


@pytest.mark.parametrize("content", [b"", b"small", BIG], ids=["empty", "small", "parts"])
def test_an_upload_is_read_back_as_published(stores, tmp_path, content):
    """What was uploaded is what is read, and `publish` returns the pin that `stat` sees."""
    store = stores.named("raw")
    source = tmp_path / "source"
    source.write_bytes(content)

    pending = store.upload("weather/03.dat", source)
    pin = pending.publish()

    assert (Digest.of(content), len(content)) == (pending.digest, pending.size_bytes)
    assert store.stat("weather/03.dat") == pin
    assert len(content) == pin.size_bytes
    if content:
        assert content == store.read("weather/03.dat", pin, 0, len(content))
        assert content[1:4] == store.read("weather/03.dat", pin, 1, 4)


@pytest.mark.parametrize("content", [b"", b"small", BIG], ids=["empty", "small", "parts"])
def test_nothing_is_visible_before_publish(stores, tmp_path, content):
    """A pending upload shows nothing, and after `abort` never will."""
    store = stores.named("raw")
    source = tmp_path / "source"
    source.write_bytes(content)

    pending = store.upload("out/a", source)

    assert store.stat("out/a") is None
    assert listed(store) == []

    pending.abort()
    pending.abort()

    assert store.stat("out/a") is None
    assert listed(store) == []


def test_abort_leaves_nothing_of_a_folder_or_bucket(stores, request, tmp_path, files_below):
    """No hidden file, object or part stays behind an aborted upload."""
    source = tmp_path / "source"
    source.write_bytes(BIG)

    stores.named("raw").upload("out/a", source).abort()

    if (tmp_path / "store").exists():
        assert files_below(tmp_path / "store") == []
    if "s3_client" in request.fixturenames or "bucket" in request.fixturenames:
        client, bucket = request.getfixturevalue("s3_client"), request.getfixturevalue("bucket")
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_small_write_replaces_at_once(stores):
    """`write_small` publishes, and publishes again."""
    store = stores.named("raw")

    first = store.write_small("out/_manifest.json", b"one")
    second = store.write_small("out/_manifest.json", b"three")

    assert first != second == store.stat("out/_manifest.json")
    assert store.read("out/_manifest.json", second, 0, 5) == b"three"
    assert listed(store) == ["out/_manifest.json"]


def test_a_replaced_object_is_not_read_under_the_old_pin(stores):
    """A read gives the pinned bytes or ObjectChanged, never the new ones."""
    store = stores.named("raw")
    pin = store.write_small("a", b"old")
    store.write_small("a", b"new")

    try:
        content = store.read("a", pin, 0, 3)
    except ObjectChanged:
        content = None

    assert content == (b"old" if pin.version_id else None)


def test_a_deleted_object_is_changed_for_its_reader(folder_stores, tmp_path):
    """What vanished between stat and read is ObjectChanged, which callers handle."""
    store = folder_stores.named("raw")
    pin = store.write_small("a", b"old")
    (tmp_path / "store" / "a").unlink()

    with pytest.raises(ObjectChanged):
        store.read("a", pin, 0, 3)


def test_a_listing_holds_what_lies_below_a_folder(stores):
    """A prefix is a folder: neighbours whose names begin alike are not in it."""
    store = stores.named("raw")
    for key in ("a/1", "a/b/2", "ab/3", "c"):
        store.write_small(key, key.encode())

    assert listed(store, "a") == ["a/1", "a/b/2"]
    assert listed(store) == ["a/1", "a/b/2", "ab/3", "c"]
    assert listed(store, "nothing") == []


def test_a_listed_pin_holds_a_read(stores):
    """The pins of a listing can be read by."""
    store = stores.named("raw")
    store.write_small("a/1", b"old")
    [item] = store.list("a")

    assert store.read(item.key, item.pin, 0, 3) == b"old"

    store.write_small("a/1", b"new")

    with pytest.raises(ObjectChanged):
        store.read(item.key, item.pin, 0, 3)


def test_a_long_listing_comes_in_pages(s3_stores, s3_client, bucket, monkeypatch):
    """More objects than one page holds are all listed."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    for number in range(25):
        s3_client.put_object(Bucket=bucket, Key=f"root/a/{number}", Body=b"")
    s3_client.put_object(Bucket=bucket, Key="root/a/", Body=b"")

    assert len(listed(s3_stores.named("raw"), "a")) == 25


def test_patterns_and_odd_names_are_plain_names(stores):
    """Stars, brackets, question marks and blanks address one object."""
    store = stores.named("raw")
    store.write_small("a/x", b"x")

    for key in ("a/*", "a/[x]", "a/?", "a/ x %20", "a/ü"):
        assert store.stat(key) is None
        store.write_small(key, key.encode())
        pin = store.stat(key)
        assert store.read(key, pin, 0, pin.size_bytes) == key.encode()
    assert store.read("a/x", store.stat("a/x"), 0, 1) == b"x"


def test_a_healthy_store_passes_its_check(stores):
    """`check` returns, and leaves nothing."""
    store = stores.named("raw")

    store.check(writing=True)

    assert listed(store) == []


@pytest.mark.parametrize("way", ["s3_stores", "s3fs_stores"])
@pytest.mark.parametrize("size", [6, 300_000])
def test_a_source_that_changes_before_publish_is_not_sent(request, tmp_path, way, size):
    """What `publish` sends are the bytes that the digest was taken of, or it refuses."""
    store = request.getfixturevalue(way).named("raw")
    source = tmp_path / "source"
    source.write_bytes(b"b" * size)
    pending = store.upload("a", source)
    source.write_bytes(b"a" * size)

    if size == 6:  # kept in memory
        pin = pending.publish()
        assert b"b" * size == store.read("a", pin, 0, size)
    else:
        with pytest.raises(DigestMismatch):
            pending.publish()
        assert store.stat("a") is None


def test_a_link_out_of_the_folder_is_refused(folder_stores, tmp_path):
    """Nothing outside a folder store is read or written through a link in it."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "store" / "file").symlink_to(tmp_path / "secret")
    (tmp_path / "store" / "folder").symlink_to(tmp_path)
    store = folder_stores.named("raw")

    with pytest.raises(AccessDenied):
        store.stat("file")
    with pytest.raises(AccessDenied):
        store.write_small("folder/new", b"")
    assert listed(store) == []


def test_published_files_take_the_umask(folder_stores, tmp_path):
    """Files of a folder store are readable for others, as far as the umask lets."""
    folder_stores.named("raw").write_small("a", b"")
    umask = os.umask(0)
    os.umask(umask)

    assert 0o444 & ~umask == (tmp_path / "store" / "a").stat().st_mode & 0o777


def all_of(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(BIG)
    return [
        lambda: store.stat("a"),
        lambda: store.write_small("a", b""),
        lambda: store.upload("a", source),
        lambda: list(store.list("")),
        lambda: store.check(writing=False),
    ]


def test_a_missing_folder_is_a_missing_store(tmp_path):
    """Every operation on a folder that does not exist says so, and does not make it."""
    store = Stores.from_mapping({"raw": str(tmp_path / "missing")}).named("raw")

    for operation in all_of(store, tmp_path):
        with pytest.raises(StoreMissing, match="raw://"):
            operation()
    assert not (tmp_path / "missing").exists()


def test_a_folder_may_be_made_on_first_use(tmp_path):
    """With auto_mkdir a missing folder is no error."""
    location = {"url": f"file://{tmp_path}/new", "options": {"auto_mkdir": True}}

    assert Stores.from_mapping({"raw": location}).named("raw").stat("a") is None


UPLOAD_AND_DIE = """
    import os, sys, signal, pathlib
    from rootcellar.staging import Stores

    class DieHalfWay:
        def advance(self, size_bytes):
            os.kill(os.getpid(), signal.SIGKILL)

    stores = Stores.from_mapping({"raw": {"url": sys.argv[1], "options": eval(sys.argv[2])}})
    stores.named("raw").upload("out/a", pathlib.Path(sys.argv[3]), DieHalfWay())
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_killed_upload_shows_nothing(kind, request, tmp_path):
    """SIGKILL in a transfer leaves nothing under a final name, nor in a listing."""
    stores = request.getfixturevalue(f"{kind}_stores")
    location = stores._locations["raw"]
    source = tmp_path / "source"
    source.write_bytes(BIG)

    done = subprocess.run(
        [
            *(sys.executable, "-c", textwrap.dedent(UPLOAD_AND_DIE), location.url),
            *(repr(dict(location.options)), str(source)),
        ],
        check=False,
    )

    assert done.returncode == -signal.SIGKILL
    assert stores.named("raw").stat("out/a") is None
    assert listed(stores.named("raw")) == []


def test_a_stream_is_the_range_in_small_chunks(stores, tmp_path):
    """Joined, the chunks are what `read` gives; none is larger than the bound."""
    store = stores.named("raw")
    source = tmp_path / "source"
    source.write_bytes(BIG)
    pin = store.upload("a", source).publish()

    chunks = [bytes(chunk) for chunk in store.stream("a", pin, 5, len(BIG) - 1)]

    assert BIG[5:-1] == b"".join(chunks)
    assert max(map(len, chunks)) <= CHUNK_BYTES


def test_a_stream_is_held_to_its_pin(stores):
    """A replaced object is not streamed, unless its version is kept."""
    store = stores.named("raw")
    pin = store.write_small("a", b"old bytes")
    store.write_small("a", b"new")

    if pin.version_id:
        assert b"old bytes" == b"".join(map(bytes, store.stream("a", pin, 0, 9)))
    else:
        with pytest.raises(ObjectChanged):
            list(store.stream("a", pin, 0, 9))


def test_a_discarded_object_is_gone_and_no_other(stores):
    """`discard` takes the key as it is, and an object that is not there."""
    store = stores.named("raw")
    for key in ["x/*", "x/a", "x/b"]:
        store.write_small(key, b"a")

    store.discard("x/*")
    store.discard("x/*")

    assert ["x/a", "x/b"] == listed(store, "x")


def test_an_object_is_removed_as_pinned_or_not_at_all(stores):
    """The pinned state and no other; a version that was written over, where the store keeps it."""
    store = stores.named("raw")
    before = store.write_small("x/a", b"before")
    after = store.write_small("x/a", b"after that")
    store.write_small("x/b", b"b")

    removed = store.remove("x/a", before)

    assert bool(before.version_id) is removed
    assert after == store.stat("x/a")
    assert [True, False] == [store.remove("x/a", after), store.remove("x/a", after)]
    assert not store.remove("x/a", before)
    assert ["x/b"] == listed(store, "x")


def test_a_copy_is_the_pinned_object_or_nothing(stores):
    """Where a store copies, the copy has the source's bytes, and its pin is what `stat` sees."""
    store = stores.named("raw")
    pin = store.write_small("a", b"bytes")

    copied = store.copy("a", pin, "to/b")

    assert copied == store.stat("to/b")
    if copied is not None:
        assert b"bytes" == store.read("to/b", copied, 0, 5)
        store.write_small("a", b"other")
        if not pin.version_id:
            with pytest.raises(ObjectChanged):
                store.copy("a", pin, "to/c")
        assert store.stat("to/c") is None


def test_every_store_says_how_many_requests_pay_off(stores):
    """At least one."""
    assert stores.named("raw").parallel >= 1


def test_a_folder_whose_files_may_not_be_looked_at_is_denied(folder_stores, monkeypatch):
    """As one that may be listed and not entered: no bare error of the operating system."""
    store = folder_stores.named("raw")
    store.write_small("d/a", b"x")
    real = os.lstat

    def refuse(path, *args, **options):
        if str(path).endswith("/d/a"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *args, **options)

    monkeypatch.setattr(os, "lstat", refuse)

    with pytest.raises(AccessDenied, match="raw://d/a"):
        list(store.list("d"))
