"""The end of a run, whatever a body put in the place of its inputs."""

from __future__ import annotations

import pytest

from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir import workdir as workdirs
from rootcellar.staging.workdir.workdir import Workdir


@pytest.fixture
def cached(cache, memory_stores):
    address = memory_stores.store_for("raw://a")
    pin = address.store.write_small("a", b"content")
    return cache.fetch(address, pin)


def lead_elsewhere(folder, data):
    """Put a link to a body's own data in the place of a folder of one input."""
    (folder / "a").unlink()
    folder.rmdir()
    folder.symlink_to(data)


@pytest.fixture
def data(tmp_path):
    """A folder of a body, with a file that is called as its input is."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("of the body")
    return folder


@pytest.mark.parametrize("member", ["a", "below/a"])
@pytest.mark.parametrize("most", [0, 1000], ids=["later", "at once"])
def test_an_end_removes_no_file_that_is_called_as_an_input(
    cache, cached, data, monkeypatch, member, most
):
    """A link in the place of an input folder, or of one in it, is removed and not followed."""
    monkeypatch.setattr(workdirs, "_MANY", most)
    workdir = Workdir(cache, "run-1")
    place = workdir.folder(argument="grid", ordinal=0, name="grid")
    for name in ("beside", member, "last"):
        place.add(name, cached)
    top = place.path
    if member == "a":
        (top / "beside").unlink()
        (top / "last").unlink()
    lead_elsewhere((top / member).parent, data)
    workdir.close()
    finish_removals()

    assert "of the body" == (data / "a").read_text()
    assert [] == list((cache.root / "ended").iterdir())
    assert 1 == cached.path.stat().st_nlink


def test_an_end_follows_no_link_among_the_further_folders(cache, cached, data):
    """Of inputs of one name the second lies in a folder that a body can replace too."""
    workdir = Workdir(cache, "run-1")
    paths = [workdir.place(cached, argument="a", ordinal=n, name="a") for n in range(3)]
    lead_elsewhere(paths[1].parent, data)
    workdir.close()
    finish_removals()

    assert "of the body" == (data / "a").read_text()
    assert 1 == cached.path.stat().st_nlink
