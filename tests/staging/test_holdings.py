"""What people ask of the cache, beside processes that use it."""

from __future__ import annotations

import fcntl
import os

import pytest

from rootcellar.staging.holdings import prune, verify


@pytest.fixture
def old_layout(cache):
    layout = cache.root.parent / "v1"
    (layout / "work" / "run").mkdir(parents=True)
    (layout / "locks").mkdir()
    (layout / "locks" / "source-a").touch()
    return layout


@pytest.mark.parametrize("held", ["work/run", "locks/source-a"])
def test_an_older_layout_in_use_stays(cache, old_layout, held):
    """Two versions of a worker share a host while one replaces the other; neither loses a run."""
    holder = os.open(old_layout / held, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)

    counts = prune(cache).counts

    assert 0 == counts["layouts"]
    assert (old_layout / held).exists()
    os.close(holder)
    assert 1 == prune(cache).counts["layouts"]
    assert not old_layout.exists()


def test_what_was_replaced_while_it_was_listed_is_judged_as_it_is(cache, put, monkeypatch):
    """A bad entry that a run has replaced by a good one is not condemned for the bad one."""
    address, pin = put("a", b"content")
    path = cache.fetch(address, pin).path
    path.chmod(0o644)
    path.write_bytes(b"spoiled")
    listed = cache.entries.walk

    def walk():
        for entry in listed():
            cache.fetch(address, pin)
            yield entry

    monkeypatch.setattr(cache.entries, "walk", walk)

    assert verify(cache).bad == ()
    assert path.read_bytes() == b"content"
