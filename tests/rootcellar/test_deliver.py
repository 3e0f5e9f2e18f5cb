"""deliver: what the body gets for each annotation; inputs and outputs with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003  the annotations of bodies are read
from os import PathLike  # noqa: TC003
from pathlib import Path
from typing import Annotated, Any

import pytest
from grid_words import Bundle, Count, Words

from rootcellar import NOT_STAGED, OUTPUT, OUTPUTS, Outputs, Ref, Staged
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    BindingError,
    ContentError,
    DeclarationError,
    InputModified,
)


def bare(text):
    return isinstance(text, Path) and text.read_text()


def as_path(text: Path):
    return isinstance(text, Path) and text.read_text()


def as_path_like(text: PathLike):
    return Path(text).read_text()


def as_anything(text: Any):
    return text.read_text()


def as_handle(text: Staged[Words]):
    assert isinstance(text.version, Ref)
    assert text.artifact == Words(page=1)
    with text.open() as file:
        return file.read().decode()


def as_text(text: str):
    return text


def as_artifact(text: Words):
    return text.uri


def as_key(text: int):
    return text


def as_optional(text: str | None):
    return text


def as_it_is(text: Annotated[int, NOT_STAGED]):
    return text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (bare, "a b"),
        (as_path, "a b"),
        (as_path_like, "a b"),
        (as_anything, "a b"),
        (as_handle, "a b"),
        (as_text, "a b"),
        (as_artifact, "raw://words/01.txt"),
        (as_key, 1),
        (as_optional, "a b"),
        (as_it_is, 1),
    ],
)
def test_one(project, body, expected):
    """Path, handle, content, artifact or key: whatever the annotation asks for."""
    project.put(Words(page=1), "a b")

    assert project.app.task(body).apply(args=[1]).get() == expected


@pytest.mark.parametrize(
    "passed",
    [1, {"page": 1}, Words(page=1), Words(page=1).__json__()],
    ids=["value", "mapping", "artifact", "json"],
)
def test_ways_to_name_an_artifact(project, passed):
    """A key, an artifact, or what either becomes in a message."""
    project.put(Words(page=1), "a b")

    assert project.app.task(as_text).apply(args=[passed]).get() == "a b"


def paths(texts: list[Path]):
    return [path.read_text() for path in texts]


def contents(texts: list[str]):
    return texts


def sequence(texts: Sequence[Staged[Words]]):
    return [handle.artifact.page for handle in texts]


def keyed(texts: dict[Words, str]):
    return {key.page: text for key, text in texts.items()}


def keyed_mapping(texts: Mapping[Words, Path]):
    return {key.page: path.read_text() for key, path in texts.items()}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (paths, ["two", "one"]),
        (contents, ["two", "one"]),
        (sequence, [2, 1]),
        (keyed, {2: "two", 1: "one"}),
        (keyed_mapping, {2: "two", 1: "one"}),
    ],
)
def test_several(project, body, expected):
    """A fan-in is in the caller's order, or keyed by artifact."""
    project.put(Words(page=1), "one")
    project.put(Words(page=2), "two")

    assert project.app.task(body).apply(args=[[2, 1]]).get() == expected


def documents(counts: list[dict]):
    return [one["words"] for one in counts]


@pytest.mark.parametrize("passed", [[1], 1], ids=["list of one", "one"])
def test_one_and_many_have_one_shape(project, passed):
    """A list of documents is a fan-in, also where one document could be a list."""
    Count(page=1).push({"words": 3})

    assert project.app.task(documents).apply(args=[passed]).get() == [3]


def folder(bundle: Path):
    return sorted(path.name for path in bundle.iterdir())


def folder_by_name(bundle: dict[str, Path]):
    return sorted(bundle)


def folders(bundle: list[Path]):
    return [sorted(path.name for path in one.iterdir()) for one in bundle]


@pytest.mark.parametrize(
    ("body", "expected"),
    [(folder, ["a.txt"]), (folder_by_name, ["a.txt"]), (folders, [["a.txt"]])],
)
def test_folders(project, tmp_path, body, expected):
    """A folder is a path or its members; a list of paths is several folders."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_text("a")
    Bundle(page=1).push(tmp_path / "source")

    assert project.app.task(body).apply(args=[1]).get() == expected


def perhaps_each(texts: list[str | None]):
    return texts


@pytest.mark.parametrize(
    ("body", "passed", "expected"),
    [(as_optional, 1, None), (as_optional, None, None), (perhaps_each, [1, 2], [None, "two"])],
)
def test_absent(project, body, passed, expected):
    """Where None is allowed, nothing being there is None."""
    project.put(Words(page=2), "two")

    assert project.app.task(body).apply(args=[passed]).get() == expected


def test_missing(project):
    """Otherwise it is an error that says what to do."""
    with pytest.raises(ArtifactNotFound, match=r"Words\(page=1\) at raw://words/01.txt.*\| None"):
        project.app.task(as_text).apply(args=[1]).get()


def test_content_that_cannot_be_loaded(project):
    """The error names argument, artifact and URI."""
    project.put(Count(page=1), "{")

    with pytest.raises(ContentError, match=r"Count\(page=1\) at derived://count/01.json.*'counts'"):
        project.app.task(documents).apply(args=[[1]]).get()


def as_number(text: float):
    return text


def test_annotation_that_nothing_can_become(project):
    """Refused with the type, its format and the remedy."""
    with pytest.raises(DeclarationError, match="a Text, cannot be delivered as <class 'float'>"):
        project.app.task(as_number).delay(1)


def test_inputs_are_read_only(project):
    """A body that opens an input for writing is refused by the file system or found out."""

    @project.app.task
    def careless(text: Path) -> None:
        text.chmod(0o644)
        text.write_text("changed")

    project.put(Words(page=1), "a b")
    error = careless.apply(args=[1]).result

    assert isinstance(error, InputModified)
    assert error.artifact == "Words(page=1)"
    assert error.uri == Words(page=1).uri
    assert project.app.task(as_text).apply(args=[1]).get() == "a b"


def test_outputs_of_one_key_are_refused(project):
    """Two members of one key would overwrite each other."""

    @project.app.task
    def twice(text: str, *, counts: Outputs[Count] = OUTPUTS) -> None:
        for _ in range(2):
            counts.new(page=7).save({})

    project.put(Words(page=7), "a")

    with pytest.raises(BindingError, match=r"Count\(page=7\)"):
        twice.apply(args=[7]).get()


def test_member_that_contradicts_the_call(project):
    """A key field that the call settles cannot be another one in the body."""

    @project.app.task
    def astray(text: str, *, counts: Outputs[Count] = OUTPUTS) -> None:
        counts.new(page=8).save({})

    project.put(Words(page=7), "a")

    with pytest.raises(BindingError, match="'page' is 7 by the call, and 8 here"):
        astray.apply(args=[7]).get()


def test_returned_object_that_the_format_cannot_save(project):
    """Then the body must have written the file itself, and its result passes through."""

    @project.app.task
    def returns_number(text: str, *, count: Path = OUTPUT) -> int:
        count.write_text("{}")
        return 3

    project.put(Words(page=1), "a")

    assert returns_number.apply(args=[1]).get() == 3
    assert Count(page=1).load() == {}


def test_no_outputs_of_many(project):
    """A body may make none."""

    @project.app.task
    def none(text: str, *, counts: Outputs[Count] = OUTPUTS) -> None: ...

    project.put(Words(page=1), "a")

    assert none.apply(args=[1]).get() == []


def test_workdir_is_gone(project):
    """Whatever happened, nothing of the run is left on this host."""
    seen = []

    @project.app.task
    def leaves_things(text: Path, *, count: Path = OUTPUT) -> dict:
        seen.append(text)
        (count.parent / "more").mkdir()
        (count.parent / "more" / "rubbish").write_text("x")
        return {}

    project.put(Words(page=1), "a")
    leaves_things.apply(args=[1]).get()

    assert not seen[0].exists()
    assert list((project.settings.cache_folder / "v2" / "work").iterdir()) == []


def test_a_handle_has_a_version_of_its_own(project):
    """What a body does to its ref's key is not there for the next run that reads the same ref."""

    def write(page: int, *, text: Path = OUTPUT):
        text.write_text("a b")

    def change(text: Staged[Words]):
        text.version.key["page"] += 1
        return text.version.key["page"]

    ref = project.app.task(write).apply(args=[1]).get()
    task = project.app.task(change)

    assert [2, 2] == [task.apply(args=[ref]).get() for _ in range(2)]
