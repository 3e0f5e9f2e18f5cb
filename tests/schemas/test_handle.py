"""Handles: what a body gets instead of a path, and the marks of outputs."""

import copy
import io
import pickle
from typing import Annotated

import pytest

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.formats import Folder, Json, Parquet
from rootcellar.schemas.handle import NOT_STAGED, OUTPUT, OUTPUTS, STREAMED, Outputs, Staged
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.schemas.streamed import Streamed


class Town(Artifact, uri="raw://town/{n}.json", format=Json()):
    n: int


class Rain(Artifact, uri="raw://rain/{n}.parquet", format=Parquet()):
    n: int


class Rains(Artifact, uri="raw://rains/{n}", format=Folder("*.parquet", member=Parquet())):
    n: int


class Source:
    """A stream over bytes in memory."""

    def __init__(self, files):
        self.files = files

    def sizes(self):
        return {name: len(content) for name, content in self.files.items()}

    def open(self, member=""):
        return io.BytesIO(self.files[member])

    def open_raw(self, member="", *, reads_ahead=True):
        return self.open(member)


def streamed(artifact, files):
    version = Ref(
        type=artifact.type_name,
        key=artifact.key,
        uri=artifact.uri,
        version="01a2",
        kind="file",
        digest=Digest.unread(artifact.uri, "etag:e"),
        size_bytes=1,
        pin=Pin(size_bytes=1, etag="e"),
    )
    return Streamed(artifact, Source(files), version)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "town.json"


@pytest.mark.parametrize("mark", [OUTPUT, OUTPUTS, NOT_STAGED, STREAMED])
@pytest.mark.parametrize("journey", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_mark_is_itself_after_a_journey(mark, journey):
    """Defaults are compared by identity, also in a body that was pickled."""
    assert mark is journey(mark)


def test_a_mark_prints_as_it_is_written():
    """So that a signature in an error message reads as its source."""
    assert ["OUTPUT", "OUTPUTS", "NOT_STAGED"] == [*map(repr, [OUTPUT, OUTPUTS, NOT_STAGED])]
    assert NOT_STAGED in Annotated[int, NOT_STAGED].__metadata__


def test_what_is_saved_can_be_loaded(path):
    """With the format's own choice, as a type, and as bytes; a second save replaces the first."""
    output, given = Staged(Town(n=1), path, writable=True), Staged(Town(n=1), path)

    output.save({"old": 1})
    output.save({"a": 1})

    assert {"a": 1} == given.load() == given.load(dict)
    with given.open() as file:
        assert path.read_bytes() == file.read()


def test_an_input_cannot_be_saved(path):
    """Nothing is written, and the error says what to do."""
    with pytest.raises(BindingError, match=r"Town\(n=1\) at raw://town/1.json: an input may only"):
        Staged(Town(n=1), path).save({})

    assert not path.exists()


def test_what_the_format_cannot_do_is_refused(path):
    """Loading as a type or saving a value that is not its own names format, artifact and URI."""
    handle = Staged(Town(n=1), path, writable=True)

    with pytest.raises(BindingError, match=r"raw://town/1.json: its format Json cannot load .*by"):
        handle.load(bytes)
    with pytest.raises(BindingError, match=r"raw://town/1.json: its format Json cannot save a obj"):
        handle.save(object())


@pytest.mark.parametrize("target", [None, dict])
def test_wrong_content_names_the_artifact(path, target):
    """A format's error knows no artifact; the handle's does, and shows no path of this host."""
    path.write_text("{")

    with pytest.raises(ContentError) as caught:
        Staged(Town(n=1), path).load(target)

    assert ("Town(n=1)", "raw://town/1.json") == (caught.value.artifact, caught.value.uri)
    assert str(path) not in str(caught.value)


def test_what_cannot_be_saved_whole_names_the_artifact(path):
    """As for loading."""
    with pytest.raises(ContentError) as caught:
        Staged(Town(n=1), path, writable=True).save({"a": float("nan")})

    assert ("Town(n=1)", "raw://town/1.json") == (caught.value.artifact, caught.value.uri)


def test_outputs_keep_what_was_made(path):
    """In order; keys go to whoever reserves."""
    keys = []

    def reserve(key):
        keys.append(key)
        return Staged(Town(**key), path, writable=True)

    outputs = Outputs(reserve)
    made = [outputs.new(n=2), outputs.new(n=1)]

    assert [{"n": 2}, {"n": 1}] == keys
    assert made == list(outputs)
    assert 2 == len(outputs)
    assert "reserve" not in repr(outputs)


def test_a_refused_output_is_not_kept():
    """What could not be reserved was not made."""

    def reserve(_key):
        raise BindingError("no")

    outputs = Outputs(reserve)

    with pytest.raises(BindingError):
        outputs.new(n=1)
    assert [] == list(outputs)


def test_a_local_table_is_a_dataset(path):
    """The same method as of a streamed input."""
    Staged(Rain(n=1), path, writable=True).save({"mm": [1, 2]})

    assert 2 == Staged(Rain(n=1), path).dataset().count_rows()


def test_what_is_no_table_is_no_dataset(path):
    """The error names artifact, URI and format."""
    with pytest.raises(BindingError, match=r"Town\(n=1\) at raw://town/1.json: its format is Json"):
        Staged(Town(n=1), path).dataset()


def test_a_member_of_a_folder_is_opened(tmp_path):
    """By its path within the folder."""
    (tmp_path / "a.parquet").write_bytes(b"bytes")

    with Staged(Rains(n=1), tmp_path).open("a.parquet") as file:
        assert b"bytes" == file.read()


def test_a_streamed_input_is_read_like_any_other(path):
    """A `Staged` with everything but a path."""
    Staged(Rain(n=1), path, writable=True).save({"mm": [1, 2]})
    handle = streamed(Rain(n=1), {"": path.read_bytes()})

    assert isinstance(handle, Staged)
    assert (Rain(n=1), "01a2", False) == (handle.artifact, handle.version.version, handle.writable)
    assert path.read_bytes() == handle.open().read()
    assert [1, 2] == handle.dataset().to_table()["mm"].to_pylist()
    assert [{"mm": 1}, {"mm": 2}] == handle.load(list[dict])
    assert {"": path.stat().st_size} == handle.members()


def test_a_streamed_input_has_no_path():
    """The error says what to do instead."""
    handle = streamed(Town(n=1), {"": b"{}"})

    with pytest.raises(BindingError, match=r"Town\(n=1\) at .* no local file.*drop STREAMED"):
        _ = handle.path
    with pytest.raises(BindingError, match="may only be read"):
        handle.save({})
    with pytest.raises(BindingError, match=r"Town\(n=1\) at .*Json, which is no table"):
        handle.load()


def test_a_streamed_input_stays_where_it_is():
    """It prints, is equal to itself only, and cannot be sent anywhere."""
    handle = streamed(Town(n=1), {"": b"{}"})

    assert "Streamed(Town(n=1)" in repr(handle)
    assert handle == handle  # noqa: PLR0124  that is the promise
    assert handle != streamed(Town(n=1), {"": b"{}"})
    assert 1 == len({handle})
    with pytest.raises(TypeError, match=r"Pass its \.version on"):
        pickle.dumps(handle)


def test_wrong_content_of_a_stream_names_the_artifact():
    """As of a file."""
    with pytest.raises(ContentError, match=r"Rain\(n=1\) at raw://rain/1.parquet"):
        streamed(Rain(n=1), {"": b"no table at all, for sure"}).dataset()


def test_members_are_handed_over_by_absolute_paths(tmp_path):
    """A path relative to the output's folder, or a whole one."""
    added = []
    handle = Staged(Town(n=1), tmp_path, writable=True, adder=added.append)

    handle.add("a/b")
    handle.add(tmp_path / "c")

    assert [tmp_path / "a" / "b", tmp_path / "c"] == added


@pytest.mark.parametrize("writable", [True, False])
def test_what_has_no_members_takes_none(tmp_path, writable):
    """A file, or an input."""
    handle = Staged(Town(n=1), tmp_path, writable=writable)

    with pytest.raises(BindingError, match="only members of a folder output"):
        handle.add("a")
