"""What the members of a foreign folder were, noted in one file."""

from __future__ import annotations

import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.ref import Pin
from rootcellar.staging.cache.folder_notes import FolderNotes
from rootcellar.staging.holdings import holdings
from rootcellar.staging.session import StagingSession

NAMES = [f"d{number // 100}/{number:04}" for number in range(500)]


@pytest.fixture
def start(stores, cache):
    """Return what begins a session."""
    return lambda: StagingSession(stores, cache, run_uid=str(uuid.uuid4()))


def digest_of(name, state="1"):
    """Return what a member has in a state."""
    return Digest.of(f"{name} {state}".encode())


def noted(names, state="1"):
    """Return the notes of members, all in one state."""
    return [(name, f"etag:{state}", digest_of(name, state)) for name in sorted(names)]


def found(notes, names=NAMES, state="1"):
    """Return which members are known in a state, asked for in their order."""
    with notes.lookup() as lookup:
        return [name for name in sorted(names) if lookup.digest(name, f"etag:{state}")]


def test_members_are_found_in_their_order(tmp_path):
    """In the state that was noted, and in no other."""
    notes = FolderNotes(f"{tmp_path}/notes")
    assert [] == found(notes)
    notes.append("raw://f", noted(NAMES[:300]))
    notes.append("raw://f", noted(NAMES[300:499]))

    assert NAMES[:499] == found(notes)
    assert [] == found(notes, state="2")
    with notes.lookup() as lookup:
        assert digest_of(NAMES[7]) == lookup.digest(NAMES[7], "etag:1")


def test_what_changed_is_found_as_well(tmp_path):
    """Its blocks are merged with the others when they are read."""
    path = tmp_path / "notes"
    notes = FolderNotes(str(path))
    notes.append("raw://f", noted(NAMES))
    for number in range(10):
        notes.append("raw://f", noted(NAMES[number::50], state="2"))

    assert NAMES == found(notes)
    assert [name for name in NAMES if int(name[-4:]) % 50 < 10] == found(notes, state="2")
    assert 1 == path.read_text().count("\traw://f\n")
    assert len(NAMES) + 100 == len(list(notes.walk()))
    assert [path] == list(tmp_path.iterdir())


def test_half_a_block_costs_its_rest_only(tmp_path):
    """Wherever it was cut off, no member is taken for another, and what follows is found."""
    path = tmp_path / "notes"
    notes = FolderNotes(str(path))
    notes.append("raw://f", noted(["a", "ab", "abc"]))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        notes.append("raw://f", noted(["b", "c"]))

        with notes.lookup() as lookup:
            for name in ("a", "ab", "abc"):
                assert lookup.digest(name, "etag:1") in {None, digest_of(name)}
            assert digest_of("b") == lookup.digest("b", "etag:1")
            assert digest_of("c") == lookup.digest("c", "etag:1")


def test_what_leads_to_no_entry_is_pruned(tmp_path):
    """Line by line, and the file with the last of them."""
    path = tmp_path / "notes"
    notes = FolderNotes(str(path))
    notes.append("raw://f", noted(NAMES))

    assert 400 == notes.prune({digest_of(name) for name in NAMES[:100]})
    assert NAMES[:100] == found(notes)
    assert [f"raw://f/{name}" for name in NAMES[:100]] == [uri for _, uri in notes.walk()]
    assert 100 == notes.prune(set())
    assert not path.exists()


def test_a_member_is_known_alone_and_listed(start, stores, cache):
    """A file of a folder that was staged is on the host, and holdings tell its URI."""
    store = stores.named("raw")
    for name in ("a", "b/c"):
        store.write_small(f"tree/{name}", name.encode())
    pins = {item.key.removeprefix("tree/"): item.pin for item in store.list("tree")}
    with start() as session:
        located = session.locate("raw://tree", "folder")
        assert 2 == session.stage_in(located, argument="a", name="tree").misses

    for name, pin in pins.items():
        known = cache.known(stores.store_for(f"raw://tree/{name}"), pin)
        assert known is not None
        assert Digest.of(name.encode()) == known.digest
    other = Pin(size_bytes=1, etag="other")
    assert cache.known(stores.store_for("raw://tree/a"), other) is None
    assert {"raw://tree/a", "raw://tree/b/c"} <= {u for one in holdings(cache) for u in one.uris}
    with start() as session:
        located = session.locate("raw://tree", "folder")
        assert 0 == session.stage_in(located, argument="a", name="tree").misses
