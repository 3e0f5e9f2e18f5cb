"""run_notes: what a process said of its runs is what the catalog does not know yet, no more."""

from __future__ import annotations

import errno
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.run_notes import RunNotes
from rootcellar.schemas.record import Environment

HERE = Environment(python="3.11", platform="Linux", packages={}, image="a")
THERE = Environment(python="3.11", platform="Linux", packages={}, image="b")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def notes(folder):
    notes = RunNotes(lambda: folder)
    yield notes
    notes.close()


def said(folder):
    """Return all lines of all notes, as one who finds them would read them."""
    found = []
    for path in folder.iterdir():
        _, *lines = path.read_bytes().split(b"\n")
        found += lines[: lines.index(b"")]
    return sorted(found)


def run(notes, uid, environment=None):
    """Begin a run, end it, and let it wait for its row."""
    notes.begin(uid, f"{uid} begins".encode(), environment)
    notes.end(uid, b", ends")
    notes.wait(uid, f"{uid} begins, ends".encode())


def test_a_few_files_serve_any_number_of_runs(notes, folder):
    """One for the run that is under way, and two for those that wait."""
    for number in range(90):
        run(notes, f"{number}")
        if number % 30 == 29:
            notes.turn()
            for known in range(number - 29, number + 1):
                notes.forget(f"{known}")
    run(notes, "last")

    assert [b"last begins, ends"] == said(folder)
    assert len(list(folder.iterdir())) <= 3


def test_what_ends_while_others_are_entered_is_not_forgotten_with_them(notes, folder):
    """It stands in the other log."""
    run(notes, "a")
    notes.turn()
    run(notes, "b")
    notes.forget("a")

    assert [b"b begins, ends"] == said(folder)
    assert (False, True) == (notes.has("a"), notes.has("b"))


def test_a_log_is_written_on_while_the_other_one_is_not_entered(notes, folder):
    """A catalog that is away for long costs no more files."""
    for uid in "abcdef":
        run(notes, uid)
        notes.turn()

    assert [f"{uid} begins, ends".encode() for uid in "abcdef"] == said(folder)
    assert len(list(folder.iterdir())) <= 3


def test_runs_of_another_environment_stand_under_their_own_head(notes, folder):
    """Who finds a note takes its head for that of all lines."""
    run(notes, "a", HERE)
    run(notes, "b", THERE)
    heads = {b'"image": "a"': b"a begins", b'"image": "b"': b"b begins"}
    texts = [path.read_bytes() for path in folder.iterdir()]

    assert [b"a begins, ends", b"b begins, ends"] == said(folder)
    for head, line in heads.items():
        assert [True] == [head in text for text in texts if line in text]

    notes.forget("a")
    notes.forget("b")
    run(notes, "c", THERE)
    assert [b"c begins, ends"] == said(folder)


def test_a_deleted_cache_loses_no_run_that_comes_later(notes, folder):
    """Neither its start nor its end is written to a file that nobody finds."""
    run(notes, "a")
    shutil.rmtree(folder)
    run(notes, "b")
    notes.forget("a")
    notes.forget("b")
    run(notes, "c")

    assert [b"c begins, ends"] == said(folder)


def test_a_run_that_cannot_wait_elsewhere_keeps_its_note(notes, folder, monkeypatch):
    """A full disk costs no end that was noted."""
    notes.begin("a", b"a begins", None)
    notes.end("a", b", ends")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as while_full:
        while_full.setattr(os, "pwrite", full)
        notes.wait("a", b"a begins, ends")

    assert [b"a begins, ends"] == said(folder)
    notes.forget("a")
    assert [] == said(folder)


def test_where_nothing_can_be_noted_nothing_is(tmp_path):
    """Such a run has to be entered at once."""
    (tmp_path / "file").touch()
    notes = RunNotes(lambda: tmp_path / "file")
    notes.begin("a", b"a begins", None)

    assert not notes.has("a")


def test_closing_leaves_what_is_not_known(notes, folder):
    """Files that say nothing go."""
    run(notes, "a")
    notes.turn()
    run(notes, "b")
    notes.forget("b")
    notes.begin("c", b"c begins", None)
    notes.close()

    assert [b"a begins, ends", b"c begins"] == said(folder)
    assert 2 == len(list(folder.iterdir()))


@given(st.lists(st.tuples(st.sampled_from("bewtf"), st.integers(0, 5)), max_size=60))
def test_whatever_happens_the_notes_say_what_is_not_known(tmp_path_factory, steps):
    """Each run that began and is not known, as far as it got, once; and nothing else."""
    folder = tmp_path_factory.mktemp("runs")
    notes, expected, ended = RunNotes(lambda: folder), {}, set()
    for count, (step, number) in enumerate(steps):
        uid = f"{number}"
        text = expected.get(uid)
        if step == "b" and text is None:
            expected[uid] = f"{uid} begins {'x' * (count % 7)}".encode()
            notes.begin(uid, expected[uid], None)
        elif step == "e" and text is not None and uid not in ended:
            ended.add(uid)
            expected[uid] += b", ends"
            notes.end(uid, b", ends")
        elif step == "w" and uid in ended and uid in notes._own:
            notes.wait(uid, expected[uid])
        elif step == "t":
            notes.turn()
        elif step == "f":
            expected.pop(uid, None)
            ended.discard(uid)
            notes.forget(uid)
    found = said(folder)
    known = [uid for uid in expected if notes.has(uid)]
    notes.close()

    assert sorted(expected.values()) == found
    assert list(expected) == known
