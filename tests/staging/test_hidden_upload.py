"""Uploads under hidden names: what a soft limit breaks off leaves nothing in the store."""

from __future__ import annotations

import warnings

import pytest

MOST_STEPS = 3000


@pytest.fixture(params=["folder", "memory"])
def store(request):
    return request.getfixturevalue(f"{request.param}_stores").named("raw")


@pytest.fixture
def hidden(store, tmp_path, files_below):
    """Return what lies in the store, hidden or not."""

    def found():
        if hasattr(store, "_fs"):
            return sorted(store._fs.find(store._path("")))
        top = tmp_path / "store"
        return files_below(top) if top.exists() else []

    return found


def test_a_limit_that_strikes_leaves_no_hidden_file(store, hidden, striking, tmp_path):
    """Which no listing would show, and nothing would ever remove."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3000)
    warnings.simplefilter("ignore", ResourceWarning)

    for step in range(1, MOST_STEPS):
        made, is_struck = [], False
        try:
            with striking(step):
                made.append(store.upload("d/a", source))
        except striking.error:
            is_struck = True
        for pending in made:
            pending.abort()
            pending.abort()

        assert [] == hidden(), f"after step {step}"
        if not is_struck:
            return
    raise AssertionError("it never ended")
