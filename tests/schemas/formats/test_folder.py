import os
from pathlib import Path

import pyarrow as pa
import pytest

from rootcellar.schemas.errors import BindingError, ContentError, DeclarationError
from rootcellar.schemas.formats import File, Folder, Json, Parquet, Text


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "a.txt").write_text("aa")
    (folder / "b" / "c" / "d.txt").write_text("d")
    return folder


def test_members_come_by_name_and_in_order(folder):
    """Members are sorted by their path in the folder, at every depth."""
    expected = {"a.txt": folder / "a.txt", "b/c/d.txt": folder / "b" / "c" / "d.txt"}

    assert Folder().default_load(folder) == expected
    assert Folder().load(folder, dict[str, Path]) == expected
    assert Folder().load(folder, list[Path]) == list(expected.values())
    assert Folder(member=Text()).load(folder, list[str]) == ["aa", "d"]
    assert Folder().load(folder, dict[str, bytes]) == {"a.txt": b"aa", "b/c/d.txt": b"d"}


def test_dict_and_folder_are_saved(tmp_path, folder):
    """A dict of contents becomes files; a folder elsewhere is copied."""
    Folder(member=Text()).save({"a.txt": "aa", "b/c/d.txt": "d"}, tmp_path / "one")
    Folder().save(folder, tmp_path / "two")

    contents = Folder().load(folder, dict[str, bytes])
    assert Folder().load(tmp_path / "one", dict[str, bytes]) == contents
    assert Folder().load(tmp_path / "two", dict[str, bytes]) == contents


def test_the_folder_itself_is_left_alone(folder):
    """A body that filled the folder and returns its path loses nothing."""
    Folder().save(folder, folder)

    Folder(min_files=2).validate(folder)
    with pytest.raises(ContentError, match="lies in the other"):
        Folder().save(folder, folder / "b")


@pytest.mark.parametrize("name", ["../a", "/a", "a\\b", "", "a//b", "a\nb"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    """No member is written outside the folder."""
    with pytest.raises(ContentError, match="no name for a file in a folder"):
        Folder().save({name: b"x"}, tmp_path / "out")


def test_name_that_no_store_could_hold(folder):
    """A file whose name is no text is refused before it is published."""
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()

    with pytest.raises(ContentError, match="no name for a file"):
        Folder().validate(folder)


def test_subfolder_that_cannot_be_read(folder, monkeypatch):
    """Files that cannot be listed are an error, not files that are not there."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(PermissionError):
        Folder().describe(folder)


def test_links(tmp_path, folder):
    """Links to files are followed; links to folders and to nothing are refused."""
    (folder / "link.txt").symlink_to(folder / "a.txt")
    Folder(min_files=3).validate(folder)

    for target in (tmp_path, tmp_path / "nothing"):
        (folder / "wrong").symlink_to(target)
        with pytest.raises(ContentError, match="'wrong' is no file"):
            Folder().validate(folder)
        (folder / "wrong").unlink()


def test_files_that_do_not_match(folder):
    """Every file matches the pattern, or the folder is refused."""
    Folder("**/*.txt").validate(folder)
    (folder / "b" / ".DS_Store").touch()
    (folder / "x").touch()

    with pytest.raises(ContentError, match=r"'b/\.DS_Store' does not match .*nor do 1 more"):
        Folder("**/*.txt").validate(folder)


def test_number_of_files(tmp_path, folder):
    """An empty folder is refused unless declared; subfolders do not count."""
    (tmp_path / "empty" / "sub").mkdir(parents=True)

    Folder(min_files=0).validate(tmp_path / "empty")
    with pytest.raises(ContentError, match="0 files, expected 1 or more"):
        Folder().validate(tmp_path / "empty")
    with pytest.raises(ContentError, match="2 files, expected 3"):
        Folder(min_files=3).validate(folder)


def test_what_is_no_folder(tmp_path, folder):
    """A file, or nothing, in place of the folder is named."""
    with pytest.raises(ContentError, match="a file, not a folder"):
        Folder().validate(folder / "a.txt")
    with pytest.raises(ContentError, match="there is no folder"):
        Folder().describe(tmp_path / "nothing")


def test_members_are_held_to_their_format(tmp_path):
    """A member's error names the member."""
    format_ = Folder(member=Json(dict[str, float]))
    format_.save({"a.json": {"x": 1}}, tmp_path / "out")
    format_.validate(tmp_path / "out")
    (tmp_path / "out" / "b.json").write_text("[]")

    for read in (format_.validate, lambda path: format_.load(path, list[dict])):
        with pytest.raises(ContentError, match=r"in 'b\.json': it does not fit its model"):
            read(tmp_path / "out")
    with pytest.raises(ContentError, match=r"in 'c\.json': .*cannot be written"):
        Folder(member=Json()).save({"c.json": [float("nan")]}, tmp_path / "out")


def test_description_adds_members_up(tmp_path, folder):
    """Sizes and rows are added up; columns are given where all members have the same."""
    tables = Folder("*.parquet", member=Parquet())
    tables.save({"a.parquet": {"x": [1, 2]}, "b.parquet": {"x": [3]}}, tmp_path / "out")

    description = tables.describe(tmp_path / "out")
    assert (description.members, description.row_count) == (2, 3)
    assert [column.name for column in description.columns] == ["x"]

    Parquet().save({"y": [1]}, tmp_path / "out" / "c.parquet")
    mixed = tables.describe(tmp_path / "out")
    assert (mixed.members, mixed.columns, mixed.schema_fingerprint) == (3, (), None)
    assert Folder().describe(folder).size_bytes == 3
    assert Folder().describe(folder).row_count is None
    (tmp_path / "out" / "d.parquet").touch()
    with pytest.raises(ContentError, match=r"in 'd\.parquet'"):
        tables.describe(tmp_path / "out")


def test_tables_of_a_folder(tmp_path):
    """Members load as what their format loads."""
    tables = Folder(member=Parquet())
    tables.save({"a": {"x": [1]}}, tmp_path / "out")

    assert tables.load(tmp_path / "out", dict[str, pa.Table])["a"].to_pydict() == {"x": [1]}


@pytest.mark.parametrize("pattern", ["", "/abs/*", "../*", "a/../*", "**", "a/**"])
def test_patterns_are_checked_at_declaration(pattern):
    """A pattern that leaves the folder, or that Pythons read differently, is refused."""
    with pytest.raises(DeclarationError, match="no pattern"):
        Folder(pattern)


def test_declarations():
    """Members have a file format, and it is part of the definition."""
    assert Folder(member=Text()).definition() != Folder(member=File()).definition()
    with pytest.raises(DeclarationError, match="members of its folder are folders"):
        Folder(member=Folder())
    with pytest.raises(DeclarationError, match=r"Write Text\(\)"):
        Folder(member=Text)


def test_other_types_are_refused(tmp_path, folder):
    """Only folders are folders."""
    assert not Folder().can_save([folder])
    assert not any(Folder().can_load(target) for target in (Path, list, dict[int, Path], str))
    with pytest.raises(BindingError, match="folder cannot be loaded as list"):
        Folder().load(folder, list[pa.Table])
    with pytest.raises(ContentError, match="list cannot be saved as a folder"):
        Folder().save([1], tmp_path / "out")


def test_preview_lists_files(folder):
    """The preview is a listing with sizes."""
    preview = Folder().preview(folder, rows=1)

    assert repr(preview).split() == ["2", "a.txt", "…"]
