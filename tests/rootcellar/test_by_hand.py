"""by_hand: the same engine for people, each use a run of its own kind."""

from __future__ import annotations

import pytest
from grid_words import Bundle, Count, Words, registry

from rootcellar import OUTPUT, staged
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    BindingError,
    ContentError,
    TargetExists,
)


@pytest.fixture(autouse=True)
def words(project):
    """One page of three words."""
    project.put(Words(page=1), "a b c")
    return project


def test_block_reads_and_writes(words):
    """A block is a task without a task: staged in, published at its end, recorded."""
    with staged(registry=registry, text=1, count=OUTPUT) as files:
        files.count.save({"words": len(files["text"].load().split())})
        during = words.exists(Count(page=1))
    (run, *_) = words.catalog.runs()
    upstream = words.catalog.upstream(Count(page=1))

    assert Count(page=1).load() == {"words": 3}
    assert not during
    assert (run.kind, run.state) == ("session", "succeeded")
    assert [version.type for version in upstream] == ["words"]


def test_block_that_fails_publishes_nothing(words):
    """The error passes, the run has failed, and nothing is visible."""

    def fail():
        with staged(registry=registry, text=1, count=OUTPUT) as files:
            files.count.save({})
            raise KeyError("mine")

    with pytest.raises(KeyError):
        fail()

    assert not words.exists(Count(page=1))
    assert words.last_run().state == "failed"


def test_block_of_artifacts(words):
    """Artifacts stand under their types' names, and no registry is needed for them."""
    with staged(Words(page=1)) as files:
        assert files.words.load() == "a b c"
        assert list(files) == ["words"]


def test_block_of_several(words):
    """Several artifacts of one name are a list of handles, in order."""
    words.put(Words(page=2), "d")
    with staged(registry=registry, texts=[2, 1]) as files:
        loaded = [handle.load() for handle in files.texts]

    assert loaded == ["d", "a b c"]


def test_block_with_an_unknown_output(words):
    """An output that no registry serves is named."""
    with pytest.raises(BindingError, match="nonsense"), staged(nonsense=OUTPUT):
        pass


def test_unknown_handle_is_an_attribute_error(words):
    """As of any object."""
    with staged(Words(page=1)) as files, pytest.raises(AttributeError):
        _ = files.wrods


def test_pull_into_a_folder(words, tmp_path):
    """The copy is whole, writable and the caller's own."""
    path = Words(page=1).pull(tmp_path)
    path.write_text("mine")

    assert path == tmp_path / "01.txt"
    assert Words(page=1).load() == "a b c"
    assert words.catalog.runs()[0].kind == "pull"


def test_pull_does_not_replace(words, tmp_path):
    """A file that differs stays, unless the caller says so; an equal one is no error."""
    target = tmp_path / "mine.txt"
    target.write_text("other")
    with pytest.raises(TargetExists):
        Words(page=1).pull(target)
    kept = target.read_text()
    Words(page=1).pull(target, overwrite=True)
    Words(page=1).pull(target)

    assert kept == "other"
    assert target.read_text() == "a b c"


def test_pull_of_nothing(words, tmp_path):
    """The error names artifact and URI, and no part of a file is left."""
    with pytest.raises(ArtifactNotFound, match=r"Words\(page=9\) at raw://words/09\.txt"):
        Words(page=9).pull(tmp_path / "x")

    assert not (tmp_path / "x").exists()


def test_pull_of_a_folder(words, tmp_path):
    """A folder arrives whole under its name."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.txt").write_text(name)
    Bundle(page=1).push(source)
    path = Bundle(page=1).pull(tmp_path)
    Bundle(page=1).pull(tmp_path)  # the same again is no error
    (path / "b.txt").write_text("mine")

    assert sorted(p.name for p in path.iterdir()) == ["a.txt", "b.txt"]
    with pytest.raises(TargetExists):
        Bundle(page=1).pull(tmp_path)


def test_folder_is_not_loaded_from_files_that_go(words, tmp_path):
    """A folder's content is read where its files still are."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_text("a")
    Bundle(page=1).push(tmp_path / "source")

    with pytest.raises(BindingError, match=r"no longer staged.*pull\(\)"):
        Bundle(page=1).load()


def test_pull_into_no_folder(words, tmp_path):
    """A folder that is not there is told before anything is copied."""
    with pytest.raises(BindingError, match="no local folder 'none'"):
        Words(page=1).pull(tmp_path / "none" / "x.txt")


@pytest.mark.parametrize("kind", ["path", "text", "object"])
def test_push(words, tmp_path, kind):
    """A file, its name, or an object that the format saves."""
    file = tmp_path / "c.json"
    file.write_text('{"words": 1}')
    ref = Count(page=4).push({"path": file, "text": str(file), "object": {"words": 1}}[kind])

    assert Count(page=4).load() == {"words": 1}
    assert ref.type == "count"
    assert words.catalog.produced(ref).kind == "push"


def test_push_of_wrong_content(words, tmp_path):
    """What the format forbids is not published."""
    file = tmp_path / "c.json"
    file.write_text("{")
    with pytest.raises(ContentError, match=r"Count\(page=4\)"):
        Count(page=4).push(file)

    assert not words.exists(Count(page=4))


def test_push_of_a_missing_file(words, tmp_path):
    """The error names the file, not its place on this host."""
    with pytest.raises(BindingError, match=r"'no\.json'") as raised:
        Count(page=4).push(tmp_path / "no.json")

    assert str(tmp_path) not in str(raised.value)


def test_load_as(words):
    """Content as the format's own choice, or as a type it can load."""
    assert Words(page=1).load() == "a b c"
    assert Words(page=1).load(list[str]) == ["a b c"]
    with pytest.raises(BindingError):
        Words(page=1).load(dict)


def test_preview(words):
    """The beginning, as something that shows itself."""
    assert "a b c" in str(Words(page=1).preview())


def test_older_version_by_ref(words):
    """A version that was replaced is still had from this host by its digest."""
    old = Count(page=4).push({"words": 1})
    Count(page=4).push({"words": 2})
    with staged(registry=registry, count=old) as files:
        loaded = files.count.load()

    assert loaded == {"words": 1}


def test_older_version_from_the_catalog(words):
    """A version that the catalog lists is an input as its ref is, also in a message."""
    from kombu.utils.json import dumps, loads

    Count(page=4).push({"words": 1})
    Count(page=4).push({"words": 2})
    old = words.catalog.versions("count", page=4)[1]
    with staged(registry=registry, count=old) as files:
        loaded = files.count.load()

    assert loaded == {"words": 1}
    assert loads(dumps(old)) == old.ref.__json__()
