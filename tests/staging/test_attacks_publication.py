"""Attacks on publication: programs that go on writing, and processes that die in the middle."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError, RootcellarError
from rootcellar.schemas.manifest import Manifest
from rootcellar.staging import Output, StagingSession
from rootcellar.staging.publication.publication import Publication


@pytest.fixture
def session(stores, cache):
    with StagingSession(stores, cache, run_uid="run-1") as session:
        yield session


def keys(stores):
    return sorted(item.key for item in stores.named("raw").list(""))


def tree(session, count=3):
    top = session.reserve_output("tree", "tree")
    top.mkdir()
    for number in range(count):
        (top / str(number)).write_bytes(b"x" * number)
    return Output(
        uri="raw://tree", path=top, kind="folder", root=f"v-{uuid.uuid4()}", artifact="Tree()"
    )


@pytest.mark.parametrize("change", ["come", "go", "grow"])
def test_a_folder_that_is_still_written_to_is_refused(session, stores, change):
    """A program in the background that adds, removes or changes a file is seen."""
    output = tree(session)
    session.prepare_output(output)
    if change == "come":
        (output.path / "late").write_bytes(b"late")
    elif change == "go":
        (output.path / "1").unlink()
    else:
        (output.path / "1").write_bytes(b"changed")

    with pytest.raises(ContentError, match="written to"):
        session.publish()
    assert stores.store_for("raw://tree/_manifest.json").store.stat("tree/_manifest.json") is None


def test_a_file_that_is_gone_before_it_is_published_is_a_clear_error(session, stores):
    """As if it had been written to, and not an error of the operating system."""
    path = session.reserve_output("out", "file")
    path.write_bytes(b"x")
    session.prepare_output(Output(uri="raw://file", path=path, kind="file", artifact="Out()"))
    path.unlink()

    with pytest.raises(ContentError, match=r"Out\(\) at raw://file"):
        session.publish()
    assert keys(stores) == []


def test_an_output_written_to_after_it_was_published_is_not_kept(session, cache):
    """The cache holds what was published, or nothing."""
    path = session.reserve_output("out", "file")
    path.write_bytes(b"before")
    session.prepare_output(Output(uri="raw://file", path=path, kind="file"))
    real = Publication.commit

    def commit(publication):
        published = real(publication)
        path.write_bytes(b"afterX")
        return published

    session._publication.commit = lambda: commit(session._publication)
    session.publish()

    entry = cache.find(Digest.of(b"before"), 6)
    assert entry is None or entry.read_bytes() == b"before"


GO_ON_WRITING = """
    import os, sys

    with open(sys.argv[1], "r+b", 0) as file:
        while True:
            file.seek(0)
            file.write(os.urandom(200_000))
"""


def test_a_program_that_goes_on_writing_publishes_nothing_or_something_whole(session, stores):
    """Whatever is visible has the digest that was recorded."""
    path = session.reserve_output("out", "file")
    path.write_bytes(bytes(200_000))
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(GO_ON_WRITING),
            str(path),
        ]
    )
    try:
        session.prepare_output(Output(uri="raw://file", path=path, kind="file"))
        [published] = session.publish()
    except RootcellarError:
        assert keys(stores) == []
    else:
        store = stores.named("raw")
        content = store.read("file", published.pin, 0, published.size_bytes)
        assert published.digest == Digest.of(content)
    finally:
        writer.kill()
        writer.wait(60)


PUBLISH = """
    import pathlib, sys, uuid
    from rootcellar.staging import Cache, Output, StagingSession, Stores

    root, mark = pathlib.Path(sys.argv[1]), sys.argv[2].encode()
    stores = Stores.from_mapping({"raw": str(root / "store")})
    print("ready", flush=True)
    for turn in range(1000):
        with StagingSession(stores, Cache(root / "cache"), run_uid=str(uuid.uuid4())) as session:
            file = session.reserve_output("file", "file")
            file.write_bytes(mark * 50_000)
            session.prepare_output(Output(uri="raw://file", path=file, kind="file"))
            tree = session.reserve_output("tree", "tree")
            for name in ("a", "b/c"):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_bytes(mark * 1000)
            root_name = f"v-{uuid.uuid4()}"
            session.prepare_output(
                Output(uri="raw://tree", path=tree, kind="folder", root=root_name)
            )
            session.publish()
"""


def test_publishers_that_are_killed_at_random_leave_wholes(folder_stores, cache, tmp_path):
    """At any moment a final key holds one run's bytes, whole; the next run works."""
    dice, store = random.Random(1), folder_stores.named("raw")
    script = textwrap.dedent(PUBLISH)
    for turn in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), "abcdefgh"[turn % 8]],
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        try:
            process.wait(dice.uniform(0.0, 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        if (pin := store.stat("file")) is not None:
            content = store.read("file", pin, 0, pin.size_bytes)
            assert content == content[:1] * 50_000
        if (pin := store.stat("tree/_manifest.json")) is not None:
            text = store.read("tree/_manifest.json", pin, 0, pin.size_bytes)
            manifest = Manifest.from_bytes(text, uri="raw://tree")
            for member in manifest.members:
                key = f"tree/{manifest.root}/{member.path}"
                content = store.read(key, store.stat(key), 0, member.size_bytes)
                assert member.digest == Digest.of(content)

    with StagingSession(folder_stores, cache, run_uid="next") as session:
        output = tree(session)
        session.prepare_output(output)
        session.publish()
        staged = session.stage_in(session.locate("raw://tree", "folder"), argument="a", name="tree")
        assert staged.members == 3
