"""What is evicted, in which order, and what never is (C4, C6)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheFull
from rootcellar.staging import StagingSession, sweep
from rootcellar.staging.cache import eviction
from rootcellar.staging.host.epoch import mark_ns, note_release
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir.workdir import Workdir


def content(letter):
    return letter.encode() * 1000


@pytest.fixture
def held(cache_of, put):
    """A cache of ten entries a to j, released in that order, with room for two more."""
    cache = cache_of(12_000)
    for number, letter in enumerate("abcdefghij"):
        cached = cache.fetch(*put(letter, content(letter)))
        note_release(cached.location, (number + 1) * 10**9)
    return cache


def letters(cache):
    paths = [Path(cache.entries.path(entry.digest)) for entry in cache.entries.walk()]
    return "".join(sorted(path.read_text()[0] for path in paths))


def test_the_least_recently_released_go_first(held, put):
    """And a tenth of the budget more than is needed at the moment: 3 go where 1 would do."""
    held.fetch(*put("x", b"x" * 3000))

    assert "defghijx" == letters(held)


def test_a_release_makes_an_entry_young(held, put):
    """The end of a run that read it is what counts, not when it came."""
    workdir = Workdir(held, "run-1")
    workdir.place(held.fetch(*put("a", content("a"))), argument="a", ordinal=0, name="a")
    workdir.close()
    finish_removals()

    held.fetch(*put("x", b"x" * 3000))

    assert "a" in letters(held)
    assert "b" not in letters(held)


def test_entries_of_another_boot_go_first(held, put):
    """Whatever was never read since the host was started is worth least."""
    path = held.entries.path(Digest.of(content("j")))
    os.utime(path, ns=(10**18, mark_ns() - 10**9 if mark_ns() > 10**18 else mark_ns() + 10**9))

    held.fetch(*put("x", b"x" * 3000))

    assert "j" not in letters(held)


def test_leased_entries_stay_and_are_readable(held, put):
    """However much room is needed, what a run holds is not touched (C4)."""
    workdir = Workdir(held, "run-1")
    placed = {
        letter: workdir.place(
            held.fetch(*put(letter, content(letter))), argument=letter, ordinal=0, name=letter
        )
        for letter in "abcdefgh"
    }

    assert 2000 == held.evictor.evict_to(0)

    assert "abcdefgh" == letters(held)
    assert {letter: content(letter) for letter in placed} == {
        letter: path.read_bytes() for letter, path in placed.items()
    }


def test_nothing_goes_if_all_that_may_go_is_too_little(held, put):
    """Entries are not thrown away for a download that fails all the same."""
    workdir = Workdir(held, "run-1")
    for letter in "abcdefgh":
        cached = held.fetch(*put(letter, content(letter)))
        workdir.place(cached, argument=letter, ordinal=0, name=letter)

    with pytest.raises(CacheFull):
        held.fetch(*put("x", b"x" * 5000))

    assert "abcdefghij" == letters(held)


def test_a_lease_taken_while_an_entry_is_renamed_away_brings_it_back(held, put, monkeypatch):
    """Between our looking and our removing a run may link it: then it is put back."""
    digest = Digest.of(content("a"))
    path, real = held.entries.path(digest), os.rename
    taken = held.root / "work" / "taken"

    def raced(source, target):
        if source == path:
            os.link(path, taken)
        real(source, target)

    monkeypatch.setattr(os, "rename", raced)

    assert held.evictor.evict_one(digest) is None

    assert content("a") == taken.read_bytes()
    assert Path(path).samefile(taken)
    assert [] == list((held.root / "away").iterdir())


def test_an_entry_that_came_again_meanwhile_is_left(held, put, monkeypatch):
    """Putting back replaces nothing."""
    digest = Digest.of(content("a"))
    path, real = held.entries.path(digest), os.rename
    taken = held.root / "work" / "taken"

    def raced(source, target):
        if source == path:
            os.link(path, taken)
            real(source, target)
            monkeypatch.undo()
            held.fetch(*put("a", content("a")))
        else:
            real(source, target)

    monkeypatch.setattr(os, "rename", raced)

    assert held.evictor.evict_one(digest) is None

    assert not Path(path).samefile(taken)
    assert content("a") == taken.read_bytes()
    assert held.find(digest, 1000) is not None


@pytest.mark.parametrize("is_leased", [True, False])
def test_what_a_killed_evictor_left_is_settled(held, is_leased, ledger_and_disk):
    """An entry that was renamed away comes back if it is leased, and else goes."""
    digest = Digest.of(content("a"))
    path = held.entries.path(digest)
    if is_leased:
        os.link(path, held.root / "work" / "taken")
    Path(path).rename(held.root / "away" / f"sha256-{digest.hex}")

    held.evictor.count()
    held.evictor.count()

    assert [] == list((held.root / "away").iterdir())
    assert is_leased == Path(path).exists()
    counted, there = ledger_and_disk(held)
    assert counted == there


def test_what_a_killed_evictor_left_comes_back_where_nothing_is(held):
    """Also if somebody deleted the entries meanwhile: else every count failed from then on."""
    digest = Digest.of(content("a"))
    path = Path(held.entries.path(digest))
    os.link(path, held.root / "work" / "taken")
    path.rename(held.root / "away" / f"sha256-{digest.hex}")
    shutil.rmtree(held.root / "cas")

    held.evictor.count()

    assert [] == list((held.root / "away").iterdir())
    assert path.samefile(held.root / "work" / "taken")


def test_more_victims_than_a_round_takes_go_in_several(held, monkeypatch):
    """What bounds the memory bounds no eviction."""
    monkeypatch.setattr(eviction, "_BATCH", 3)

    assert 8000 == held.evictor.evict_to(2000)
    assert "ij" == letters(held)


def test_an_input_evicted_before_it_is_placed_is_fetched_again(folder_stores, cache_of, put):
    """Not an error of the cache: the session downloads it once more."""
    cache = cache_of(10_000)
    put("a", content("a"))
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        located = session.locate("raw://a", "file")
        real, evicted = session._workdir.place, []

        def place(cached, **where):
            if not evicted:
                evicted.append(cache.evictor.evict_one(cached.digest))
            return real(cached, **where)

        session._workdir.place = place

        staged = session.stage_in(located, argument="a", name="a")

        assert [1000] == evicted
        assert content("a") == staged.path.read_bytes()


def test_an_input_that_is_evicted_each_time_ends_in_a_passing_error(folder_stores, cache_of, put):
    """Bounded tries, and an error that says what to do."""
    cache = cache_of(10_000)
    put("a", content("a"))
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        located = session.locate("raw://a", "file")
        real = session._workdir.place

        def place(cached, **where):
            cache.evictor.evict_one(cached.digest)
            return real(cached, **where)

        session._workdir.place = place

        with pytest.raises(CacheFull, match="evicted before"):
            session.stage_in(located, argument="a", name="a")


def test_dead_runs_hold_nothing(held, put):
    """Their workdirs are emptied for who needs room, and stay to be told of (C7)."""
    script = """
        import os, pathlib, signal, sys
        from rootcellar.staging import Cache

        root = pathlib.Path(sys.argv[1])
        from rootcellar.staging.workdir.workdir import Workdir
        cache = Cache(root)
        workdir = Workdir(cache, "dead")
        for number, entry in enumerate(list(cache.entries.walk())):
            os.link(cache.entries.path(entry.digest), workdir.path / str(number))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    root = str(held.root.parent)
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(script), root], check=False)
    assert died.returncode == -signal.SIGKILL

    held.fetch(*put("x", b"x" * 9000))

    assert "x" in letters(held)
    assert ["dead"] == [path.name for path in (held.root / "work").iterdir()]


def test_making_room_empties_nothing_that_a_link_leads_to(cache_of, tmp_path):
    """A link among the workdirs is nobody's workdir, and a sweep removes it alone."""
    outside = tmp_path / "data"
    outside.mkdir()
    (outside / "a").write_text("of somebody")
    cache = cache_of(1000)
    link = cache.root / "work" / "run-1"
    link.symlink_to(outside)
    cache.evictor.evict(1)
    assert ("run-1",) == sweep(cache)

    assert "of somebody" == (outside / "a").read_text()
    assert not link.is_symlink()


def test_an_output_that_the_cache_has_already_was_released_last(held):
    """Taking it in again counts as a use: it does not go first because it came first."""
    again = held.root / "work" / "again"
    again.write_bytes(content("a"))
    held.add(again, Digest.of(content("a")))
    held.evictor.evict_to(5000)

    assert "aghij" == letters(held)
