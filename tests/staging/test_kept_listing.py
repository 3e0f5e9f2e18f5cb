"""The listing that a folder was located by serves to stage it."""

from __future__ import annotations

import uuid

import pytest

from rootcellar.schemas.ref import Pin
from rootcellar.staging.folders.kept_listing import KeptListing
from rootcellar.staging.session import StagingSession
from rootcellar.staging.stores.store import Listed


@pytest.fixture
def start(stores, cache):
    """Return what begins a session."""
    return lambda: StagingSession(stores, cache, run_uid=str(uuid.uuid4()))


@pytest.fixture
def tree(stores):
    """Return a store with a foreign folder."""
    store = stores.named("raw")
    for name in "abc":
        store.write_small(f"tree/{name}", name.encode())
    return store


def test_a_folder_is_listed_to_locate_it_and_to_see_that_it_stayed(start, tree, monkeypatch):
    """And not once more between the two."""
    real, listed = tree.list, []
    monkeypatch.setattr(tree, "list", lambda prefix: listed.append(prefix) or real(prefix))
    with start() as session:
        located = session.locate("raw://tree", "folder")
        staged = session.stage_in(located, argument="a", name="tree")

    assert located.pin == staged.pin
    assert ["tree", "tree"] == listed


@pytest.mark.parametrize("change", ["gone", "new", "other"])
def test_what_changed_since_is_staged_as_it_is_now(start, tree, change):
    """Though the listing that was kept tells of what is not there any more."""
    with start() as session:
        located = session.locate("raw://tree", "folder")
        if change == "gone":
            tree.discard("tree/b")
        else:
            tree.write_small("tree/b" if change == "other" else "tree/d", b"later")
        staged = session.stage_in(located, argument="a", name="tree")
        now = {path.name: path.read_bytes() for path in staged.path.iterdir()}

    expected = {item.key[5:]: tree.read(item.key, item.pin, 0, 9) for item in tree.list("tree")}
    assert expected == now
    assert located.pin != staged.pin


@pytest.mark.parametrize("count", [1, 1000, 30_000])
def test_a_listing_is_kept_as_it_came(tmp_path, count):
    """However long it is."""
    made = [
        Listed(f"ü/{number:06}", Pin(size_bytes=number, etag=f"e{number}"))
        for number in range(count)
    ]
    kept = KeptListing(tmp_path)

    assert made == list(kept.keep(made))
    assert kept.is_whole
    assert made == list(kept) == list(kept)
    assert [] == list(tmp_path.iterdir())
    kept.close()


def test_a_name_with_a_line_break_is_not_kept(tmp_path):
    """It would be read as two."""
    kept = KeptListing(tmp_path)
    made = [Listed("a\nb", Pin(size_bytes=1)), Listed("c", Pin(size_bytes=1))]

    assert made == list(kept.keep(made))
    assert not kept.is_whole
    kept.close()
