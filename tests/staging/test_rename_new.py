"""rename_new: a rename takes nobody's place."""

from __future__ import annotations

import pytest

from rootcellar.staging.host import rename_new as module
from rootcellar.staging.host.rename_new import rename_new


@pytest.fixture(params=["by the kernel", "by a look before", "where the kernel cannot"])
def _way(request, monkeypatch):
    if request.param == "by a look before":
        monkeypatch.setattr(module, "_renameat2", None)
    if request.param == "where the kernel cannot":
        monkeypatch.setattr(module, "_NOREPLACE", 1 << 20)  # a flag that no file system has


@pytest.mark.usefixtures("_way")
def test_a_free_name_is_taken(tmp_path):
    """With all that is in the folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    rename_new(str(tmp_path / "a"), str(tmp_path / "b"))

    assert "x" == (tmp_path / "b" / "file").read_text()
    assert not (tmp_path / "a").exists()


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("kind", ["folder", "link", "file"])
def test_a_name_that_is_taken_stays(tmp_path, kind):
    """An empty folder too, which a plain rename would replace."""
    (tmp_path / "a").mkdir()
    target = tmp_path / "b"
    if kind == "folder":
        target.mkdir()
    elif kind == "link":
        target.symlink_to("nowhere")
    else:
        target.touch()

    with pytest.raises(FileExistsError):
        rename_new(str(tmp_path / "a"), str(target))
    assert (tmp_path / "a").is_dir()


@pytest.mark.usefixtures("_way")
def test_what_is_gone_is_said(tmp_path):
    """As of any rename."""
    with pytest.raises(FileNotFoundError):
        rename_new(str(tmp_path / "a"), str(tmp_path / "b"))
