"""Many processes on one cache, some of them killed (C1, C3 to C7)."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.staging import Cache, sweep
from rootcellar.staging.host.epoch import mark_ns

_spec = importlib.util.spec_from_file_location("crowd", Path(__file__).with_name("crowd.py"))
crowd = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(crowd)

ROUNDS = int(os.environ.get("ROOTCELLAR_TEST_ROUNDS", "3"))
"""Of killing at random; a minute's worth is about 100."""


def bad_entries(cache):
    """All entries whose bytes are not what their names say (C1)."""
    return [
        entry.digest
        for entry in cache.entries.walk()
        if Digest.of(Path(cache.entries.path(entry.digest)).read_bytes()) != entry.digest
    ]


def recover(cache):
    sweep(cache)
    cache.sweep()
    cache.evictor.count()


def residue(cache, files_below):
    """What is left besides entries and notes of sources (C5)."""
    left = {name.partition("/")[0] for name in files_below(cache.root)}
    areas = [*(cache.root / "tmp").iterdir(), *(cache.root / "work").iterdir()]
    return left - {"cas", "sources"} | {path.name for path in areas}


CROWD = """
    # One interpreter, forked: 64 interpreters would take longer to start than to download.
    dies, count = sys.argv[2] == "die", int(sys.argv[3])
    read, write = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child:
            children.append(child)
            continue
        os.close(write)
        os.read(read, 1)  # until the parent closes it: all begin at once

        class Progress:
            moved = 0

            def advance(self, size_bytes):
                if not self.moved:
                    log("download")
                Progress.moved += size_bytes
                if dies and Progress.moved >= 2 * 2**20:
                    try:
                        (root / "died").touch(exist_ok=False)
                    except FileExistsError:
                        return
                    die()

        cache = opened()
        workdir = Workdir(cache, f"run-{number}")
        cached = cache.fetch(*wanted("big"), progress=Progress())
        placed = workdir.place(cached, argument="a", ordinal=0, name="big")
        good = Digest.of(placed.read_bytes()) == cached.digest
        workdir.close()
        finish_removals()
        os._exit(0 if good else 1)
    os.close(write)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(sorted(codes))
"""


@pytest.mark.parametrize(("mode", "downloads"), [("live", 1), ("die", 2)])
def test_64_processes_make_one_download(put, tmp_path, files_below, mode, downloads):
    """Also if the first is killed at half: then one other takes over at once (C3, C7)."""
    put("big", random.Random(1).randbytes(4 * 2**20) if mode == "live" else bytes(32 * 2**20))

    started = time.monotonic()
    code, output, errors = crowd.run(CROWD, tmp_path, mode, 64)

    assert (0, "") == (code, errors)
    died = [-signal.SIGKILL] if mode == "die" else []
    assert str([*died, *[0] * (64 - len(died))]) == output.strip()
    assert downloads == len((tmp_path / "log").read_text().split())
    assert time.monotonic() - started < 60
    cache = Cache(tmp_path / "cache")
    recover(cache)
    assert [] == bad_entries(cache)
    assert set() == residue(cache, files_below)


STAGER = """
    def entries_and_reserved(cache):
        entries = sum(entry.size_bytes for entry in cache.entries.walk())
        return entries + reserved_bytes(str(cache.root))

    seed, turns = int(sys.argv[2]), int(sys.argv[3])
    dice, done = random.Random(seed), 0
    cache = opened(budget=3_500_000, wait_seconds=0.2)  # holders wait for holders
    for turn in range(turns):
        with StagingSession(stores, cache, run_uid=f"{seed}-{turn}") as session:
            for number, key in enumerate(dice.sample("abcde", 2)):
                try:
                    found = session.locate(f"raw://{key}", "file")
                    staged = session.stage_in(found, argument=key, name="same")
                except CacheFull:
                    continue
                done += 1
                content = staged.path.read_bytes()
                assert Digest.of(content) == staged.digest, "wrong bytes"
                assert content[:1] == key.encode(), "another input"
            session.check_inputs()
        end = time.monotonic() + 10
        while True:
            with cache.ledger.opened():  # nothing is reserved meanwhile
                there = entries_and_reserved(cache)
            if there <= 3_500_000:
                break
            # What becomes an entry just now is seen twice, until its process has the lock.
            assert time.monotonic() < end, there
    finish_removals()
    assert done > turns / 5, done
"""

EVICTOR = """
    cache = opened(budget=3_500_000)
    end = time.monotonic() + 120
    while not (root / "stop").exists():
        assert time.monotonic() < end, "nobody said stop"
        for entry in list(cache.entries.walk()):
            cache.evictor.evict_one(entry.digest)
        cache.evictor.evict(1)
        cache.sweep()
    print("evicted")
"""


def test_eviction_races_with_staging(put, tmp_path, files_below, ledger_and_disk):
    """No input is missing or wrong, nothing hangs, and the budget holds (C1, C4, C6)."""
    for key in "abcde":
        put(key, key.encode() * 10**6)
    evictor = crowd.start(EVICTOR, tmp_path)
    stagers = [crowd.start(STAGER, tmp_path, seed, 25) for seed in range(6)]

    ended = [(stager.communicate()[1], stager.returncode) for stager in stagers]
    (tmp_path / "stop").touch()
    errors = evictor.communicate()[1]

    assert [("", 0)] * 6 == ended
    assert ("", 0) == (errors, evictor.returncode)
    cache = Cache(tmp_path / "cache")
    recover(cache)
    assert [] == bad_entries(cache)
    assert set() == residue(cache, files_below)
    counted, there = ledger_and_disk(cache)
    assert counted == there <= 3_500_000


CHURN = """
    seed = int(sys.argv[2])
    dice, cache = random.Random(seed), opened(budget=2_500_000, wait_seconds=1.0)
    print("ready", flush=True)
    for turn in range(10_000):
        sweep(cache)
        cache.sweep()
        try:
            with StagingSession(stores, cache, run_uid=f"{seed}-{turn}") as session:
                for key in dice.sample("abcdefgh", 3):
                    found = session.locate(f"raw://{key}", "file")
                    staged = session.stage_in(found, argument=key, name=key)
                    content = staged.path.read_bytes()
                    if Digest.of(content) != staged.digest or content[:1] != key.encode():
                        log(f"wrong bytes of {key} in {seed}")
                output = session.reserve_output("out", "o")
                output.write_bytes(dice.randbytes(100_000))
                session._cache.add(output, Digest.of(output.read_bytes()))
        except CacheFull:
            pass
        except Exception as error:
            log(f"{seed}: {error!r}")
"""


def test_writers_killed_at_random_leave_a_cache_that_recovers(
    put, tmp_path, files_below, ledger_and_disk
):
    """Whenever they are killed: no wrong bytes, no residue, no lost space (C1, C4 to C7)."""
    for number, key in enumerate("abcdefgh"):
        put(key, key.encode() * 100_000 * (number + 1))
    dice = random.Random(7)
    for round_ in range(ROUNDS):
        workers = [crowd.start(CHURN, tmp_path, 100 * round_ + number) for number in range(3)]
        for worker in workers:
            worker.stdout.readline()
        lived = dice.uniform(0.05, 0.4)
        end = time.monotonic() + lived
        while time.monotonic() < end:
            os.sched_yield()
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.communicate()
        cache = Cache(tmp_path / "cache")
        recover(cache)

        assert not (tmp_path / "log").exists(), (tmp_path / "log").read_text()
        assert [] == bad_entries(cache)
        assert set() == residue(cache, files_below)
        counted, there = ledger_and_disk(cache)
        assert counted == there <= 2_500_000


STEPS = {
    "the reservation": ("rootcellar.staging.cache.space", "Reservation._note", 1),
    "the ledger": ("rootcellar.staging.cache.space", "_write", 1),
    "the download": ("rootcellar.staging.cache.intake", "download", 1),
    "the read-only mode": ("os", "chmod", 1),
    "the mark": ("rootcellar.staging.cache.entries", "mark", 1),
    "the entry's name": ("os", "rename", 2),
    "the end of the reservation": ("rootcellar.staging.cache.space", "Reservation.keep", 1),
    "giving back": ("rootcellar.staging.cache.space", "Ledger.give_back", 1),
    "the note of the source": ("rootcellar.staging.cache.sources", "Sources.note", 1),
    "the lease": ("os", "link", 1),
    "the release": ("rootcellar.staging.workdir.release", "note_release", 1),
    "the end of the workdir": ("rootcellar.staging.host.scratch", "Scratch.move_out", 1),
    "its removal": ("rootcellar.staging.workdir.workdir", "remove_tree", 1),
    "counting": ("rootcellar.staging.cache.eviction", "Evictor._count", 1),
    "renaming away": ("rootcellar.staging.cache.eviction", "Evictor._settle", 1),
    "removing": ("os", "unlink", 3),
}

KILLED_AT_STEP = """
    import importlib
    module, name, number, when = sys.argv[2:]
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    real, calls = getattr(owner, last), [0]

    def dying(*args, **kwargs):
        calls[0] += 1
        if calls[0] == int(number) and when == "before":
            die()
        result = real(*args, **kwargs)
        if calls[0] == int(number):
            die()
        return result

    cache = opened(budget=2_500)
    setattr(owner, last, dying)
    with StagingSession(stores, cache, run_uid="run") as session:
        for key in "abc":
            found = session.locate(f"raw://{key}", "file")
            session.stage_in(found, argument=key, name=key)
            cache.evictor.evict_to(1000)
            session.check_inputs()
            break
    with StagingSession(stores, cache, run_uid="run-2") as session:
        for key in "bc":
            session.stage_in(session.locate(f"raw://{key}", "file"), argument=key, name=key)
    cache.evictor.evict_to(0)
    finish_removals()
    cache.evictor.evict_to(0)
    print("survived")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_process_killed_at_a_step_leaves_a_cache_that_recovers(
    put, tmp_path, files_below, ledger_and_disk, step, when
):
    """Before and after each step: whole entries, no residue, and recovering twice is once (C5)."""
    for key in "abc":
        put(key, key.encode() * 1000)

    code, output, errors = crowd.run(KILLED_AT_STEP, tmp_path, *step, when)

    assert -signal.SIGKILL == code, output + errors
    cache = Cache(tmp_path / "cache")
    recover(cache)
    once = files_below(cache.root)
    recover(cache)
    assert once == files_below(cache.root)
    assert [] == bad_entries(cache)
    assert set() == residue(cache, files_below)
    counted, there = ledger_and_disk(cache)
    assert counted == there <= 2500
    address = put("d", b"d" * 1000)
    assert b"d" * 1000 == cache.fetch(*address).path.read_bytes()


WITHOUT_LOCKS = """
    import fcntl
    seed, cache = int(sys.argv[2]), opened(budget=3_500_000, wait_seconds=5.0)
    fcntl.flock = lambda *_: None  # after opening, which would refuse
    dice = random.Random(seed)
    for turn in range(15):
        with StagingSession(stores, cache, run_uid=f"{seed}-{turn}") as session:
            for key in dice.sample("abcde", 2):
                try:
                    found = session.locate(f"raw://{key}", "file")
                    staged = session.stage_in(found, argument=key, name=key)
                except CacheUnusable:
                    continue  # slower and less well, but never wrong
                try:
                    content = staged.path.read_bytes()
                except FileNotFoundError:
                    continue  # taken for a dead run's, and removed
                assert Digest.of(content) == staged.digest, "wrong bytes"
                assert content[:1] == key.encode(), "another input"
        for entry in list(cache.entries.walk()):
            if dice.random() < 0.3:
                try:
                    cache.evictor.evict_one(entry.digest)
                except OSError:
                    pass
"""


def test_locks_that_do_nothing_cost_speed_and_no_truth(put, tmp_path):
    """Entries are whole and placed inputs right though nobody keeps anybody out (C1, C4, F23)."""
    for key in "abcde":
        put(key, key.encode() * 10**6)

    stagers = [crowd.start(WITHOUT_LOCKS, tmp_path, seed) for seed in range(4)]
    ended = [(stager.communicate()[1], stager.returncode) for stager in stagers]

    assert [("", 0)] * 4 == ended
    assert [] == bad_entries(Cache(tmp_path / "cache"))


def test_all_processes_of_a_host_have_one_mark(tmp_path):
    """Or they would read each other's entries again and again."""
    code, output, _ = crowd.run(
        "from rootcellar.staging.host.epoch import mark_ns; print(mark_ns())", tmp_path
    )

    assert (0, str(mark_ns())) == (code, output.strip())
    assert "linux" in sys.platform
