import os

import pytest

from rootcellar.schemas.errors import BindingError, ContentError, DeclarationError
from rootcellar.schemas.formats import Description, File


def test_bytes_come_back(tmp_path):
    """What is saved is what is loaded."""
    path = tmp_path / "a.bin"

    File().save(b"\x00\xff", path)

    assert File().load(path, bytes) == b"\x00\xff"
    assert File().default_load(path) == b"\x00\xff"
    assert File().describe(path) == Description(size_bytes=2)


def test_a_path_elsewhere_is_copied(tmp_path):
    """A returned path is copied, and its file stays."""
    (tmp_path / "there").write_bytes(b"abc")

    File().save(tmp_path / "there", tmp_path / "here")

    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes() == b"abc"


def test_the_path_itself_is_left_alone(tmp_path):
    """A body that wrote the file and returns its path loses nothing."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    (tmp_path / "link").symlink_to(path)

    File().save(path, path)
    File().save(tmp_path / "link", path)

    assert path.read_bytes() == b"abc"


def test_empty_file_is_refused_unless_declared(tmp_path):
    """A file of no bytes is an error where the format forbids it."""
    path = tmp_path / "a.bin"
    path.touch()

    File(allow_empty=True).validate(path)
    with pytest.raises(ContentError, match=r"it is empty\. .*allow_empty=True"):
        File().validate(path)


@pytest.mark.parametrize(("make", "problem"), [(os.mkdir, "a folder"), (None, "no file")])
def test_what_is_no_file_is_refused(tmp_path, make, problem):
    """A folder, or nothing, in place of the file is named without the host's path."""
    path = tmp_path / "a.bin"
    if make:
        make(path)

    with pytest.raises(ContentError, match=problem) as caught:
        File(allow_empty=True).validate(path)
    assert str(tmp_path) not in str(caught.value)


def test_other_types_are_refused(tmp_path):
    """Only bytes are bytes."""
    with pytest.raises(BindingError, match=r"cannot be loaded as str\. Annotate it as bytes"):
        File().load(tmp_path / "a", str)
    with pytest.raises(ContentError, match="int cannot be saved"):
        File().save(3, tmp_path / "a")
    assert not File().can_save("a")


def test_media_type_is_checked():
    """A file name in place of the media type is refused at declaration."""
    assert File("application/x-netcdf").definition()["media_type"] == "application/x-netcdf"
    with pytest.raises(DeclarationError, match=r"'weather\.nc' is no media type"):
        File("weather.nc")


def test_preview_shows_bytes_and_characters(tmp_path):
    """The preview is a cut-off dump."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"<NetCDF\x01" * 5)

    preview = File().preview(path, rows=1)

    assert repr(preview).startswith("00000000  3c 4e 65")
    assert "<NetCDF.<NetCDF." in preview.text
    assert preview.is_cut
    assert "&lt;NetCDF" in preview._repr_html_()
