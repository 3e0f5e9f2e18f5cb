"""Folders come in member by member: few requests, nothing held, nothing wrong let in."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ArtifactNotFound, DigestMismatch, StoreUnavailable
from rootcellar.staging import Cache, Output, StagingSession
from rootcellar.staging.folders import member_download as member_download_module
from rootcellar.staging.folders.folder_input import pin_of_folder

TREE = {f"d{number % 3}/{number}": os.urandom(50 + number) for number in range(12)}
TREE["empty"] = b""
LARGE = {"large": os.urandom(3_000_000), "small": b"s"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(member_download_module, "_FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def start(stores, cache):
    def begin(on=cache):
        return StagingSession(stores, on, run_uid=str(uuid.uuid4()))

    return begin


@pytest.fixture
def other_host(tmp_path):
    return Cache(tmp_path / "other")


def publish(session, contents, uri="raw://tree"):
    top = session.reserve_output("tree", "tree")
    for name, content in contents.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    root = f"v-{uuid.uuid4()}"
    session.prepare_output(Output(uri=uri, path=top, kind="folder", root=root))
    [published] = session.publish()
    return root, published


def stage(session, uri="raw://tree", **options):
    return session.stage_in(session.locate(uri, "folder"), argument="a", name="tree", **options)


def read_tree(top):
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file()
    }


class Heard:
    """The requests that a store gets."""

    def __init__(self, store, monkeypatch, *names):
        self.calls = []
        for name in names:
            monkeypatch.setattr(store, name, self._heard(name, getattr(store, name)))

    def _heard(self, name, real):
        def call(key, *rest):
            self.calls.append((name, key))
            return real(key, *rest)

        return call

    def also_many(self, store, monkeypatch):
        """Hear what one thread reads at once as single reads."""
        real = getattr(store, "read_many", None)
        if real is None:
            return

        def call(wanted):
            def heard():
                for one in wanted:
                    self.calls.append(("read", one[1]))
                    yield one

            return real(heard())

        monkeypatch.setattr(store, "read_many", call)

    def of(self, name):
        return [key for called, key in self.calls if called == name]


@pytest.mark.parametrize("contents", [TREE, LARGE], ids=["small", "large"])
def test_a_folder_arrives_as_it_was_published(start, other_host, contents):
    """All members, with digest, size and count, on a host that has none of them."""
    with start() as session:
        _, published = publish(session, contents)
    with start(other_host) as session:
        staged = stage(session, expected=published.digest)

        assert contents == read_tree(staged.path)
        assert (published.digest, published.size_bytes, published.members) == (
            staged.digest,
            staged.size_bytes,
            staged.members,
        )
        assert (False, published.size_bytes) == (staged.hit, staged.transferred_bytes)
        session.check_inputs()


def test_a_member_costs_one_request(start, stores, other_host, monkeypatch):
    """No look at it before: the manifest has its size and digest, and no other has its key."""
    with start() as session:
        root, _ = publish(session, TREE)
    heard = Heard(stores.named("raw"), monkeypatch, "stat", "read", "stream")
    heard.also_many(stores.named("raw"), monkeypatch)
    with start(other_host) as session:
        stage(session)

    members = [f"tree/{root}/{name}" for name, content in TREE.items() if content]
    if type(stores.named("raw")).__name__ != "GenericStore":  # which looks before and after
        assert [key for key in heard.of("stat") if key in members] == []
    assert sorted(members) == sorted(key for key in heard.of("read") if key in members)


def test_what_is_published_here_is_here(start, stores, monkeypatch):
    """The next run on this host downloads nothing, and notes nothing of single members."""
    with start() as session:
        publish(session, TREE)
    heard = Heard(stores.named("raw"), monkeypatch, "read", "stream")
    with start() as session:
        staged = stage(session)

        assert (True, 0) == (staged.hit, staged.transferred_bytes)
        assert TREE == read_tree(staged.path)
    assert heard.calls == []


def test_a_member_that_is_gone_is_asked_for_once_more(start, stores, other_host):
    """Then the error names the folder."""
    with start() as session:
        root, _ = publish(session, TREE)
    stores.named("raw").discard(f"tree/{root}/d0/0")

    with (
        start(other_host) as session,
        pytest.raises(ArtifactNotFound, match="member that the manifest names is gone"),
    ):
        stage(session)


def test_a_member_that_is_seen_late_is_taken(start, stores, other_host, monkeypatch):
    """Missing at the first look, there at the second."""
    with start() as session:
        publish(session, TREE)
    store, seen = stores.named("raw"), set()
    real = store.read

    def late(key, pin, begin, end):
        if "/v-" in key and key not in seen:
            seen.add(key)
            raise StoreUnavailable("not yet")
        return real(key, pin, begin, end)

    monkeypatch.setattr(store, "read", late)
    with start(other_host) as session:
        assert TREE == read_tree(stage(session).path)


@pytest.mark.parametrize("wrong", [b"", b"short", b"x" * 50, b"x" * 500])
def test_wrong_bytes_of_a_member_are_refused(start, stores, other_host, wrong):
    """Shorter, longer or flipped; and they never come into the cache."""
    with start() as session:
        root, _ = publish(session, TREE)
    stores.named("raw").write_small(f"tree/{root}/d0/0", wrong)

    with start(other_host) as session, pytest.raises(DigestMismatch, match="manifest"):
        stage(session)
    assert not wrong or other_host.find(Digest.of(wrong), len(wrong)) is None


def test_a_member_that_was_changed_by_the_body_is_seen(start):
    """And dropped from the cache: the next run gets the bytes as published."""
    from rootcellar.schemas.errors import InputModified

    with start() as session:
        publish(session, TREE)
    with start() as session:
        staged = stage(session)
        session.check_inputs()
        member = staged.path / "d1" / "1"
        member.chmod(0o644)
        member.write_bytes(b"changed")
        with pytest.raises(InputModified, match="inputs: a"):
            session.check_inputs()
    with start() as session:
        assert TREE == read_tree(stage(session).path)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_member_that_is_no_longer_the_one_placed_is_seen(start, how):
    """Whatever takes its place, even with the same bytes."""
    from rootcellar.schemas.errors import InputModified

    with start() as session:
        publish(session, TREE)
    with start() as session:
        member = stage(session).path / "d1" / "1"
        member.unlink()
        if how == "replaced":
            member.write_bytes(TREE["d1/1"])
        with pytest.raises(InputModified):
            session.check_inputs()


def test_a_foreign_folder_is_pinned_whatever_the_order_of_its_listing(stores, monkeypatch):
    """The pin of a sorted listing, streamed, is that of an unsorted one, held."""
    store = stores.named("raw")
    for name in ["b", "a", "c/d", "c-e", "c/a"]:
        store.write_small(f"odd/{name}", b"x")
    address = stores.store_for("raw://odd")
    streamed = pin_of_folder(address)
    listed = list(store.list("odd"))
    for order in (listed[::-1], listed[2:] + listed[:2]):
        monkeypatch.setattr(store, "list", lambda _, order=order: iter(order))
        assert streamed == pin_of_folder(address)


def test_a_foreign_folder_listed_in_no_order_is_staged(start, stores, monkeypatch):
    """It is sorted first."""
    store = stores.named("raw")
    contents = {"b": b"1", "a": b"2", "c/d": b"3", "c-e": b"4"}
    for name, content in contents.items():
        store.write_small(f"odd/{name}", content)
    real = store.list
    monkeypatch.setattr(store, "list", lambda prefix: reversed(list(real(prefix))))

    with start() as session:
        staged = stage(session, "raw://odd")
        assert contents == read_tree(staged.path)
        session.check_inputs()


def test_listings_come_sorted(stores):
    """So that no folder need be held in memory."""
    store = stores.named("raw")
    for name in ["b", "a", "c/d", "c-e", "c/a", "c.x/y", "z/ü", "z/u/v"]:
        store.write_small(f"odd/{name}", b"x")

    keys = [item.key for item in store.list("odd")]
    assert sorted(keys) == keys
    assert len(keys) == 8


def test_of_two_runs_one_downloads(folder_stores, tmp_path, monkeypatch, cache):
    """The other waits for it, and finds the members."""
    import threading

    with StagingSession(folder_stores, Cache(tmp_path / "first"), run_uid="p") as session:
        publish(session, TREE)
    heard = Heard(folder_stores.named("raw"), monkeypatch, "read")
    hits = []

    def run():
        with StagingSession(folder_stores, cache, run_uid=str(uuid.uuid4())) as session:
            hits.append(stage(session).hit)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    members = [key for key in heard.of("read") if "/v-" in key]
    assert len(set(members)) == len(members) == len(TREE) - 1
    assert 4 == len(hits)


def test_equal_members_are_one_entry(start, other_host):
    """Each is in its place, read-only and unchanged."""
    same = {f"d{number}/same": b"the same" for number in range(20)} | {"other": b"other"}
    with start() as session:
        publish(session, same)
    with start(other_host) as session:
        staged = stage(session)

        assert same == read_tree(staged.path)
        session.check_inputs()
        modes = {path.stat().st_mode & 0o777 for path in staged.path.rglob("*") if path.is_file()}
        assert modes == {0o444}


def test_a_disk_without_links_gets_copies(start, other_host, monkeypatch):
    """Of the entries, which come by way of the cache then."""
    with start() as session:
        publish(session, TREE)

    def refuse(*_args, **_options):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    with start(other_host) as session:
        staged = stage(session)

        assert TREE == read_tree(staged.path)
        session.check_inputs()


MANY = """
    import pathlib, resource, sys, uuid
    from rootcellar.staging import Cache, Output, StagingSession, Stores

    root, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    stores = Stores.from_mapping({"raw": str(root / "store")})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with StagingSession(stores, Cache(root / "a"), run_uid=str(uuid.uuid4())) as session:
        top = session.reserve_output("tree", "tree")
        for number in range(count):
            if number % 1000 == 0:
                folder = top / f"part={number // 1000:03}"
                folder.mkdir(parents=True)
            with open(f"{folder}/{number}", "wb") as file:
                file.write(b"%d" % number)
        session.prepare_output(
            Output(uri="raw://tree", path=top, kind="folder", root=f"v-{uuid.uuid4()}")
        )
        session.publish()
    with StagingSession(stores, Cache(root / "b"), run_uid=str(uuid.uuid4())) as session:
        found = session.locate("raw://tree", "folder")
        staged = session.stage_in(found, argument="a", name="tree")
        session.check_inputs()
        assert staged.members == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_flat(tmp_path):
    """6,000 members, published and staged, take seven MB or so; the limit is 16."""
    (tmp_path / "store").mkdir()
    command = [sys.executable, "-c", textwrap.dedent(MANY), str(tmp_path), "6000"]

    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert int(done.stdout) < 16 * 1024
