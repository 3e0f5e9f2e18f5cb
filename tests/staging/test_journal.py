"""Another attempt of the same task, after one that failed or died, uses what is there."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest
from attempt_run import JOURNAL, Run, content_of, keys

from rootcellar.schemas.errors import RootcellarError, StoreUnavailable

CLIMBING = (
    b'{"root":"v-01890a5d-ac96-774b-bcce-b302099a8057","ended":true,"entries":'
    b'[{"path":"../../x","digest":"sha256:%064d","pin":{"size_bytes":1}}]}' % 0
)


@pytest.fixture
def attempts(s3_stores, cache):
    return SimpleNamespace(stores=s3_stores, cache=cache)


class Counted:
    """What a store was asked to do."""

    def __init__(self, store, monkeypatch):
        self.copied, self.written, self.uploaded = [], [], []
        for name, calls, index in [
            ("copy", self.copied, 2),
            ("write_small", self.written, 0),
            ("upload", self.uploaded, 0),
        ]:
            monkeypatch.setattr(store, name, self._counting(getattr(store, name), calls, index))

    @staticmethod
    def _counting(real, calls, index):
        def call(*args):
            calls.append(args[index])
            return real(*args)

        return call

    def members(self):
        return [k for k in [*self.written, *self.uploaded] if not k.endswith(".json")]


def fail(attempts, contents):
    run = Run(attempts.stores, attempts.cache)
    for name, content in contents.items():
        run.add(run.write(name, content))
    run.session.handover(run.output).finish()
    run.session.close()
    return run


def test_it_copies_what_is_there(attempts, monkeypatch):
    """By digest, whatever the name; only new content is uploaded."""
    fail(attempts, {"a": b"one", "b": b"two", "large": b"x" * 2_000_000})
    counted = Counted(attempts.stores.named("raw"), monkeypatch)
    run = Run(attempts.stores, attempts.cache)
    for name, content in {
        "a": b"one",
        "other": b"two",
        "new": b"new",
        "large": b"x" * 2_000_000,
    }.items():
        run.add(run.write(name, content))

    published = run.publish()

    assert sorted(f"tree/{run.root}/{n}" for n in ["a", "other", "large"]) == sorted(counted.copied)
    assert [f"tree/{run.root}/new"] == counted.members()
    assert published.transferred_bytes == 3
    assert b"two" == content_of(attempts.stores, f"tree/{run.root}/other")


def test_it_removes_what_the_dead_left(attempts):
    """When it has published, neither notes nor members of ended attempts are left."""
    fail(attempts, {"a": b"one"})
    run = Run(attempts.stores, attempts.cache)
    run.add(run.write("a", b"one"))
    run.publish()

    assert ["tree/_manifest.json", f"tree/{run.root}/a"] == keys(attempts.stores)


def test_it_leaves_alone_what_may_live(attempts):
    """An attempt that did not say that it ended may publish yet: its members stay."""
    living = Run(attempts.stores, attempts.cache)
    living.add(living.write("a", b"one"))
    handover = living.session.handover(living.output)
    handover.finish()
    handover._journal.write()
    run = Run(attempts.stores, attempts.cache)
    run.add(run.write("a", b"one"))
    run.publish()

    assert f"tree/{living.root}/a" in keys(attempts.stores)
    assert living.publish().members == 1
    assert b"one" == content_of(attempts.stores, f"tree/{living.root}/a")


def test_it_uploads_what_was_changed_since(attempts, monkeypatch):
    """An object that is not as it was noted is not used."""
    failed = fail(attempts, {"a": b"one"})
    attempts.stores.named("raw").write_small(f"tree/{failed.root}/a", b"evil")
    run = Run(attempts.stores, attempts.cache)
    run.add(run.write("a", b"one"))
    run.publish()

    assert b"one" == content_of(attempts.stores, f"tree/{run.root}/a")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"root":"../..","ended":true,"entries":[]}',
        b'{"root":"v-01890a5d-ac96-774b-bcce-b302099a8057","ended":true,"entries":[{}]}',
        CLIMBING,
    ],
)
def test_notes_that_cannot_be_read_cost_an_upload(attempts, text):
    """And nothing else."""
    attempts.stores.named("raw").write_small(f"tree/{JOURNAL}/x.0.json", text)
    run = Run(attempts.stores, attempts.cache)
    run.add(run.write("a", b"one"))

    assert run.publish().members == 1


def test_another_task_finds_nothing(attempts, monkeypatch):
    """Notes are of one task."""
    fail(attempts, {"a": b"one"})
    counted = Counted(attempts.stores.named("raw"), monkeypatch)
    run = Run(attempts.stores, attempts.cache, journal=f"v-{uuid.uuid4()}")
    run.add(run.write("a", b"one"))
    run.publish()

    assert counted.copied == []


def test_a_manifest_that_may_be_there_keeps_its_members(attempts, monkeypatch):
    """If the answer to its publication is lost, nothing is removed, nor said to have ended."""
    store = attempts.stores.named("raw")
    run = Run(attempts.stores, attempts.cache)
    run.add(run.write("a", b"one"))
    run.session.prepare_output(run.output)
    real = store.write_small

    def lost(key, content):
        real(key, content)
        if key.endswith("_manifest.json"):
            raise StoreUnavailable("the answer was lost")

    monkeypatch.setattr(store, "write_small", lost)
    with pytest.raises(RootcellarError):
        run.session.publish()
    run.session.close()
    run.session.forget()
    monkeypatch.undo()
    other = Run(attempts.stores, attempts.cache)
    other.add(other.write("b", b"one"))
    other.publish()

    assert b"one" == content_of(attempts.stores, f"tree/{run.root}/a")
