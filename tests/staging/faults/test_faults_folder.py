"""Folders of small files while requests fail: what is one thread's comes to the ordinary way."""

from __future__ import annotations

import os
import uuid

import pytest

from rootcellar.schemas.errors import StoreUnavailable
from rootcellar.staging import Cache, StagingSession
from rootcellar.staging.folders import member_download as member_download_module
from rootcellar.staging.publication.output import Output
from rootcellar.testing import Fault, Match

TREE = {f"{number:02}": os.urandom(3_000 + 100 * number) for number in range(40)}
LOUD = [
    Fault.status(503, code="SlowDown"),
    Fault.cut(after_bytes=700),
    Fault.reset(after_bytes=10),
    Fault.wrong_length(5),
]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(member_download_module, "_FIRST_PAUSE_SECONDS", 0.0)


def read_tree(top):
    return {path.name: path.read_bytes() for path in top.iterdir()}


def staged_tree(bench, cache):
    with StagingSession(bench.stores, cache, run_uid=str(uuid.uuid4())) as session:
        located = session.locate(bench.uri("tree"), "folder")
        return read_tree(session.stage_in(located, argument="a", name="tree").path)


def publish_tree(bench):
    with bench.session() as session:
        top = session.reserve_output("tree", "tree")
        top.mkdir()
        for name, content in TREE.items():
            (top / name).write_bytes(content)
        root = f"v-{uuid.uuid4()}"
        session.prepare_output(Output(uri=bench.uri("tree"), path=top, kind="folder", root=root))
        session.publish()
    return root


@pytest.mark.parametrize("seed", range(2))
def test_a_foreign_folder_arrives(bench, seed):
    """Whole and right, though every fourth request for a file fails in some loud way."""
    for name, content in TREE.items():
        bench.put(f"tree/{name}", content)
    bench.proxy.scatter(LOUD, rate=0.25, seed=seed, when=Match(method="GET", key="*/tree/*"))

    assert TREE == staged_tree(bench, bench.cache)
    assert len(TREE) == len(bench.entries())


@pytest.mark.parametrize("seed", range(2))
def test_a_folder_of_ours_arrives(bench, tmp_path, seed):
    """Also where bytes are changed on their way: the manifest has their digests."""
    root = publish_tree(bench)
    faults = [*LOUD, Fault.flip(2_000)]
    when = Match(method="GET", key=f"*/tree/{root}/*")
    bench.proxy.scatter(faults, rate=0.2, seed=seed, when=when, times=len(TREE) // 2)

    assert TREE == staged_tree(bench, Cache(tmp_path / "other"))


def test_a_member_that_came_wrong_once_is_told(bench, tmp_path, caplog, way):
    """It is read again, and the log names it."""
    if way == "s3fs":
        pytest.skip("the client compares whole objects itself")
    root = publish_tree(bench)
    bench.proxy.add(Fault.flip(2_000), when=Match(method="GET", key=f"*/tree/{root}/07"))

    with caplog.at_level("WARNING", logger="rootcellar.staging"):
        staged = staged_tree(bench, Cache(tmp_path / "other"))

    assert TREE == staged
    assert any(f"tree/{root}/07 came wrong" in one.getMessage() for one in caplog.records)


def test_a_member_that_comes_wrong_each_time_anew_is_the_way_s_fault(bench, tmp_path):
    """Another run may have it right."""
    root = publish_tree(bench)
    for byte in range(2_000, 2_006):
        bench.proxy.add(Fault.flip(byte), when=Match(method="GET", key=f"*/tree/{root}/07"))

    with pytest.raises(StoreUnavailable, match=r"on the(ir)? way"):
        staged_tree(bench, Cache(tmp_path / "other"))


def test_a_file_that_stalls_holds_up_only_itself(bench, way):
    """It is given up in time, and comes by the next request."""
    if way == "s3fs":
        pytest.skip("of our own requests")
    for name, content in TREE.items():
        bench.put(f"tree/{name}", content)
    stalling = Match(method="GET", key="*/tree/05")
    bench.proxy.add(Fault.stall(after_bytes=500), when=stalling)

    assert TREE == staged_tree(bench, bench.cache)
    assert 2 == len(bench.proxy.matching(stalling))


@pytest.mark.parametrize("seed", range(2))
def test_a_folder_is_published(bench, tmp_path, seed):
    """Each member whole, though answers are lost and connections cut."""
    faults = [Fault.status(503, code="SlowDown"), Fault.lose_reply(), Fault.reset(of="request")]
    bench.proxy.scatter(faults, rate=0.2, seed=seed, when=Match(method="PUT", key="*/tree/v-*"))
    root = publish_tree(bench)
    bench.proxy.clear()

    assert TREE == {name: bench.get(f"tree/{root}/{name}") for name in TREE}
    assert TREE == staged_tree(bench, Cache(tmp_path / "other"))


def test_a_member_that_cannot_be_had_is_told_of(bench, tmp_path):
    """By the error of the ordinary way; nothing of the folder stays in a workdir."""
    root = publish_tree(bench)
    when = Match(method="GET", key=f"*/tree/{root}/07")
    bench.proxy.add(Fault.status(503, code="SlowDown"), when=when, times=None)

    with pytest.raises(StoreUnavailable, match=r"tree/v-.*/07"):
        staged_tree(bench, Cache(tmp_path / "other"))
    bench.proxy.clear()
