"""Handles: what a body gets instead of a path, and the marks of outputs."""

import copy
import pickle
from typing import Annotated

import pytest

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.formats import Json
from rootcellar.schemas.handle import NOT_STAGED, OUTPUT, OUTPUTS, Outputs, Staged


class Town(Artifact, uri="raw://town/{n}.json", format=Json()):
    n: int


@pytest.fixture
def path(tmp_path):
    return tmp_path / "town.json"


@pytest.mark.parametrize("mark", [OUTPUT, OUTPUTS, NOT_STAGED])
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
