"""The host's cache: shared by processes that may die, never wrong."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheUnusable, DigestMismatch
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Cache
from rootcellar.staging.stores import transfer

CONTENT = b"weather" * 1000


@pytest.fixture
def address(meddled):
    meddled.store.store.write_small(meddled.key, CONTENT)
    return meddled


def test_the_second_fetch_is_a_hit(cache, address):
    """An object in the same state is downloaded once."""
    pin = address.store.stat(address.key)

    first = cache.fetch(address, pin)
    second = cache.fetch(address, pin)

    assert (False, len(CONTENT)) == (first.hit, first.transferred_bytes)
    assert (second.hit, second.transferred_bytes) == (True, 0)
    assert (Digest.of(CONTENT), pin) == (second.digest, second.pin)
    assert second.path.read_bytes() == CONTENT
    assert stat.S_IMODE(second.path.stat().st_mode) == 0o444
    assert len(address.store.reads) == 1


def test_known_bytes_are_a_hit_under_any_name(cache, address):
    """With its digest known, an object is found whatever its URI and pin."""
    cache.fetch(address, address.store.stat(address.key))
    elsewhere = Pin(size_bytes=len(CONTENT), etag="another")

    cached = cache.fetch(address, elsewhere, expected=Digest.of(CONTENT))

    assert cached.hit
    assert len(address.store.reads) == 1


def test_a_replaced_object_is_downloaded_again(cache, address):
    """A new state of the object is another source."""
    cache.fetch(address, address.store.stat(address.key))
    pin = address.store.store.write_small(address.key, b"new")

    cached = cache.fetch(address, pin)

    assert not cached.hit
    assert cached.path.read_bytes() == b"new"


@pytest.mark.parametrize("damage", ["truncate", "folder", "link"])
def test_a_damaged_entry_is_dropped_and_downloaded_again(cache, address, damage, tmp_path):
    """An entry of another size, or that is no file, is not served."""
    pin = address.store.stat(address.key)
    path = cache.fetch(address, pin).path
    path.unlink()
    if damage == "truncate":
        path.write_bytes(b"short")
    elif damage == "folder":
        path.mkdir()
    else:
        (tmp_path / "other").write_bytes(b"x" * len(CONTENT))
        path.symlink_to(tmp_path / "other")

    cached = cache.fetch(address, pin)

    assert not cached.hit
    assert cached.path.read_bytes() == CONTENT


def test_a_forgotten_entry_is_downloaded_again(cache, address):
    """`forget` drops the bytes, and may be called again."""
    pin = address.store.stat(address.key)
    digest = cache.fetch(address, pin).digest

    cache.forget(digest)
    cache.forget(digest)

    assert not cache.fetch(address, pin).hit


def test_wrong_bytes_leave_nothing(cache, address, files_below):
    """A failed download leaves neither entry nor temporary file."""
    pin = address.store.stat(address.key)

    with pytest.raises(DigestMismatch):
        cache.fetch(address, pin, expected=Digest.of(b"other"))

    left = files_below(cache.root)
    assert not [name for name in left if not name.startswith("locks/")]


def test_a_published_file_is_copied_in(cache, tmp_path):
    """A file from elsewhere stays its owner's: a copy of it is the entry."""
    path = tmp_path / "mine"
    path.write_bytes(CONTENT)

    entry = cache.add(path, Digest.of(CONTENT))
    path.write_bytes(b"changed later")

    assert entry.read_bytes() == CONTENT
    assert entry == cache.find(Digest.of(CONTENT), len(CONTENT))
    with pytest.raises(DigestMismatch):
        cache.add(path, Digest.of(b"not that"))


def test_a_pin_of_size_only_is_not_remembered(cache, address):
    """Equal size proves nothing: such an object is looked at again."""
    cache.remember(address, Pin(size_bytes=len(CONTENT)), Digest.of(CONTENT))

    assert list((cache.root / "sources").iterdir()) == []


def test_the_folder_is_private_and_marked(tmp_path):
    """The root is ours alone, and backup programs are told to leave it out."""
    Cache(tmp_path / "a" / "cache")

    assert stat.S_IMODE((tmp_path / "a" / "cache").stat().st_mode) == 0o700
    tag = (tmp_path / "a" / "cache" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert Cache(tmp_path / "a" / "cache").root == tmp_path / "a" / "cache" / "v2"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    """A root that cannot be a folder names the setting, and no path of this host."""
    (tmp_path / "cache").write_text("")

    with pytest.raises(CacheUnusable, match="ROOTCELLAR_CACHE_DIR") as raised:
        Cache(tmp_path / "cache")
    assert str(tmp_path) not in str(raised.value)


def test_a_folder_that_others_may_write_is_refused(tmp_path):
    """Bytes that another user could exchange are not trusted."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)

    with pytest.raises(CacheUnusable, match="other users"):
        Cache(tmp_path / "cache")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_another_users_folder_is_refused(tmp_path):
    """A folder that is not this user's is not used, whatever its mode."""
    (tmp_path / "cache").mkdir(mode=0o755)
    os.chown(tmp_path / "cache", 12345, 12345)

    with pytest.raises(CacheUnusable, match="another user"):
        Cache(tmp_path / "cache")


def test_a_read_only_root_is_refused():
    """A cache that may be read and not written says so at once."""
    # Not below tmp_path, where another user cannot go.
    folder = tempfile.TemporaryDirectory()
    root = Path(folder.name) / "cache"
    Cache(root)
    (root / "v2" / "tmp").chmod(0o500)
    open_cache = textwrap.dedent("""
        import os, sys, pathlib
        from rootcellar.schemas.errors import CacheUnusable
        from rootcellar.staging import Cache

        root = pathlib.Path(sys.argv[1])
        if os.geteuid() == 0:
            # Root is not held by modes: become someone else.
            for path in (root.parent, root, *root.rglob("*")):
                os.chown(path, 12345, 12345)
            os.setuid(12345)
        try:
            Cache(root)
        except CacheUnusable as error:
            print(error)
    """)

    done = subprocess.run(
        [sys.executable, "-c", open_cache, str(root)],
        check=True,
        capture_output=True,
        text=True,
    )

    folder.cleanup()

    assert "may not be written" in done.stdout
    assert "ROOTCELLAR_CACHE_DIR" in done.stdout


FETCH = """
    import os, signal, sys, pathlib, time
    from rootcellar.staging import Address, Cache, Stores
    from rootcellar.staging.stores import transfer

    root, barrier, die = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3] == "die"
    transfer.RANGE_BYTES = 1000

    class Progress:
        def advance(self, size_bytes):
            with (root / "transferred").open("a") as log:
                log.write(f"{size_bytes}\\n")
            if die:
                os.kill(os.getpid(), signal.SIGKILL)

    stores = Stores.from_mapping({"raw": str(root / "store")})
    address = stores.store_for("raw://big.bin")
    cache = Cache(root / "cache")
    pin = address.store.stat(address.key)
    (barrier / str(os.getpid())).touch()
    while len(list(barrier.iterdir())) < int(sys.argv[4]):
        pass
    print(cache.fetch(address, pin, progress=Progress()).digest)
"""


def start_fetch(root, barrier, *, die=False, processes=1):
    barrier.mkdir(exist_ok=True)
    script = textwrap.dedent(FETCH)
    mode = "die" if die else "live"
    return subprocess.Popen(
        [sys.executable, "-c", script, str(root), str(barrier), mode, str(processes)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_eight_processes_make_one_download(folder_stores, tmp_path):
    """Who wants what another process downloads waits for it."""
    folder_stores.named("raw").write_small("big.bin", CONTENT)

    started = [start_fetch(tmp_path, tmp_path / "barrier", processes=8) for _ in range(8)]
    printed = [process.communicate()[0].strip() for process in started]

    assert [Digest.of(CONTENT)] * 8 == printed
    moved = sum(int(line) for line in (tmp_path / "transferred").read_text().split())
    assert len(CONTENT) == moved


def test_a_killed_download_leaves_nothing_that_counts(folder_stores, tmp_path, files_below):
    """After SIGKILL there is no entry, the next process downloads, and a sweep takes the rest."""
    folder_stores.named("raw").write_small("big.bin", CONTENT)

    killed = start_fetch(tmp_path, tmp_path / "barrier", die=True)
    killed.communicate()

    assert killed.returncode == -signal.SIGKILL
    cache = Cache(tmp_path / "cache")
    assert files_below(cache.root / "cas") == []
    assert files_below(cache.root / "sources") == []
    assert len(files_below(cache.root / "tmp")) == 2  # half the bytes, and the reservation

    assert cache.sweep() == 1

    assert files_below(cache.root / "tmp") == []
    printed = start_fetch(tmp_path, tmp_path / "barrier2").communicate()[0]
    assert Digest.of(CONTENT) == printed.strip()


def test_a_sweep_leaves_a_living_download_alone(cache, address, monkeypatch):
    """What is being downloaded is not swept."""
    monkeypatch.setattr(transfer, "RANGE_BYTES", 1000)
    swept = []
    address.store.before_read = lambda _: swept.append(cache.sweep())

    cache.fetch(address, address.store.stat(address.key))

    assert {0} == set(swept)


def test_no_space_is_a_clear_error(folder_stores, cache, monkeypatch):
    """A full disk names the setting, keeps no partial file, and is no StoreError."""
    import resource

    folder_stores.named("raw").write_small("big.bin", CONTENT)
    address = folder_stores.store_for("raw://big.bin")
    pin = address.store.stat("big.bin")
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, old_limit[1]))
    try:
        with pytest.raises(CacheUnusable, match="ROOTCELLAR_CACHE_DIR"):
            cache.fetch(address, pin)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        signal.signal(signal.SIGXFSZ, old_handler)

    assert list((cache.root / "tmp").iterdir()) == []
    assert not cache.fetch(address, pin).hit


def test_a_root_is_where_it_was_when_it_was_opened(tmp_path, monkeypatch, put):
    """A body may change the directory of its process."""
    monkeypatch.chdir(tmp_path)
    cache = Cache(Path("relative"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cached = cache.fetch(*put("a", CONTENT))

    assert tmp_path / "relative" in cached.path.parents
    assert [] == list((tmp_path / "elsewhere").iterdir())
