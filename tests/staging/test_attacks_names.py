"""Attacks by names: what other programs put into a store, and bodies into a folder."""

from __future__ import annotations

import os

import pytest

from rootcellar.schemas.errors import ContentError, StoreUnavailable
from rootcellar.staging import Output, StagingSession

KEYS = [
    "with space",
    "per%20cent",
    "plus+equal=sign&and",
    "ünïcode/größe",
    "-leading dash",
    "?question#hash",
    "quote'\"<>;",
    "a::b",
    "b" * 255,
    "Case",
    "case",
    "日本",
    "v-1/in a folder of versions",
    "v-2024-01/in a month",
    "v-beef",
]


@pytest.fixture
def session(stores, cache):
    with StagingSession(stores, cache, run_uid="run-1") as session:
        yield session


def read_tree(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def stage(session, uri, name="in"):
    return session.stage_in(session.locate(uri, "folder"), argument="a", name=name)


def test_a_foreign_folder_arrives_whole_whatever_its_names_are(session, stores):
    """No file is left out or renamed: not one below `v-1` either."""
    for number, key in enumerate(KEYS):
        stores.named("raw").write_small(f"odd/{key}", b"x" * number)

    staged = stage(session, "raw://odd")

    assert {key: b"x" * number for number, key in enumerate(KEYS)} == read_tree(staged.path)


def test_what_is_published_under_odd_names_comes_back(session, stores):
    """All names that a folder may hold survive a store, its manifest and the way back."""
    top = session.reserve_output("out", "tree")
    for number, key in enumerate(KEYS):
        (top / key).parent.mkdir(parents=True, exist_ok=True)
        (top / key).write_bytes(b"x" * number)
    root = "v-01890a5d-ac96-774b-bcce-b302099a8057"
    session.prepare_output(Output(uri="raw://tree", path=top, kind="folder", root=root))
    session.publish()

    assert read_tree(top) == read_tree(stage(session, "raw://tree").path)


@pytest.mark.parametrize("name", [b"new\nline", b"not-\xff-utf8", b"back\\slash"])
def test_a_foreign_name_that_is_not_safe_is_a_clear_error(folder_stores, cache, tmp_path, name):
    """Bytes that are no text, line breaks and backslashes are named, escaped."""
    folder = tmp_path / "store" / "odd"
    folder.mkdir()
    (folder / os.fsdecode(name)).write_bytes(b"")

    with (
        StagingSession(folder_stores, cache, run_uid="run-1") as session,
        pytest.raises(ContentError, match="not safe"),
    ):
        stage(session, "raw://odd")


@pytest.mark.parametrize("twins", [["a", "a-b", "a/b"], ["long/" + "x" * 300]])
def test_a_foreign_folder_that_no_disk_can_hold_is_a_clear_error(s3_stores, cache, twins):
    """A file and a folder of one name, or a long name, are the folder's fault, not the cache's."""
    for key in twins:
        s3_stores.named("raw").write_small(f"odd/{key}", b"x")

    with (
        StagingSession(s3_stores, cache, run_uid="run-1") as session,
        pytest.raises(ContentError, match="raw://odd"),
    ):
        stage(session, "raw://odd")


def test_a_folder_of_two_pages_is_listed_whole(s3_stores, monkeypatch):
    """Also where a page ends, names are read as they were written."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    store = s3_stores.named("raw")
    keys = {f"many/{number} +%{number}" for number in range(15)}
    for key in keys:
        store.write_small(key, b"")

    assert keys == {item.key for item in store.list("many")}


def test_one_uri_inside_another_is_no_fault_of_the_network(folder_stores, tmp_path):
    """It is refused for good: trying again cannot help."""
    store = folder_stores.named("raw")
    store.write_small("a", b"file")

    with pytest.raises(OSError, match="one inside the other") as raised:
        store.write_small("a/b", b"x")
    assert not isinstance(raised.value, StoreUnavailable)
