"""The cache against a model of it: whatever is done in which order, they agree (C1 to C6)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rootcellar.schemas.amount import Amount
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheFull
from rootcellar.staging import Cache, Stores, sweep
from rootcellar.staging.cache.space import SpaceLimits, reserved_bytes
from rootcellar.staging.host.epoch import mark_ns
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir.workdir import Workdir

BUDGET = 10_000
SIZES = {"a": 1000, "b": 2000, "c": 2000, "d": 3000, "e": 4000, "f": 500}
CONTENTS = {key: key.encode() * size for key, size in SIZES.items()}
DIGESTS = {key: Digest.of(content) for key, content in CONTENTS.items()}
KEYS = st.sampled_from(sorted(SIZES))
RUNS = st.sampled_from(["run-1", "run-2", "run-3"])


class CacheMachine(RuleBasedStateMachine):
    """The model: which runs hold which keys, and which reservations are open."""

    def __init__(self):
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        (self.top / "store").mkdir()
        stores = Stores.from_mapping({"raw": str(self.top / "store")})
        self.wanted = {}
        for key, content in CONTENTS.items():
            address = stores.store_for(f"raw://{key}")
            self.wanted[key] = address, address.store.write_small(key, content)
        self.workdirs = {}
        self.held = {}
        self.reserved = []

    @initialize()
    def open(self):
        limits = SpaceLimits(Amount(BUDGET), Amount(0), 0.0)
        self.cache = Cache(self.top / "cache", limits)
        self.other = Cache(self.top / "cache", limits)

    def leased_bytes(self):
        held = {key for keys in self.held.values() for key in keys}
        return sum(SIZES[key] for key in held) + sum(size for _, size in self.reserved)

    @rule(key=KEYS, run=RUNS)
    def stage_in(self, key, run):
        if run not in self.workdirs:
            self.workdirs[run] = Workdir(self.cache, run)
            self.held[run] = {}
        others = self.leased_bytes() - (
            SIZES[key] if any(key in keys for keys in self.held.values()) else 0
        )
        try:
            cached = self.cache.fetch(*self.wanted[key])
        except CacheFull:
            assert others + SIZES[key] > BUDGET, "refused though there was room"
            return
        path = self.workdirs[run].place(cached, argument=key, ordinal=0, name=key)
        self.held[run].setdefault(key, []).append(path)

    @rule(run=RUNS)
    def end(self, run):
        if run in self.workdirs:
            assert self.workdirs[run].modified_inputs() == ()
            self.workdirs.pop(run).close()
            self.held.pop(run)
            finish_removals()

    @rule(run=RUNS)
    def kill(self, run):
        if run in self.workdirs:
            dead = self.workdirs.pop(run)
            os.close(dead._scratch._lock)  # what the kernel does
            dead._scratch._lock = -1
            self.held.pop(run)
            assert run in sweep(self.cache)

    @rule(size=st.integers(1, BUDGET))
    def reserve(self, size):
        context = self.other.reserve(size)  # nobody else draws from it
        try:
            context.__enter__()
        except CacheFull:
            assert self.leased_bytes() + size > BUDGET
            return
        self.reserved.append((context, size))

    @precondition(lambda self: self.reserved)
    @rule()
    def give_back(self):
        context, _ = self.reserved.pop()
        context.__exit__(None, None, None)

    @rule(key=KEYS)
    def evict(self, key):
        was_held = any(key in keys for keys in self.held.values())
        there = self.cache.find(DIGESTS[key], SIZES[key]) is not None

        freed = self.cache.evictor.evict_one(DIGESTS[key])

        assert (freed is not None) == (there and not was_held)

    @rule(to=st.integers(0, BUDGET))
    def evict_to(self, to):
        self.cache.evictor.evict_to(to)
        held = {key for keys in self.held.values() for key in keys}
        left = sum(entry.size_bytes for entry in self.cache.entries.walk())
        assert left <= max(to, sum(SIZES[key] for key in held))

    @rule(key=KEYS)
    def forget(self, key):
        if not any(key in keys for keys in self.held.values()):
            self.cache.forget(DIGESTS[key])

    @rule(key=KEYS)
    def reboot(self, key):
        path = Path(self.cache.entries.path(DIGESTS[key]))
        if path.exists() and not any(key in keys for keys in self.held.values()):
            os.utime(path, ns=(10**18, mark_ns() + 10**9))

    @rule()
    def sweep(self):
        living = {path.name for path in (self.cache.root / "work").iterdir()}
        assert set(self.workdirs) == living
        self.cache.sweep()

    @invariant()
    def placed_inputs_are_right(self):
        for keys in self.held.values():
            for key, paths in keys.items():
                assert all(path.read_bytes() == CONTENTS[key] for path in paths)

    @invariant()
    def entries_are_what_their_names_say(self):
        if hasattr(self, "cache"):
            for entry in self.cache.entries.walk():
                content = Path(self.cache.entries.path(entry.digest)).read_bytes()
                assert Digest.of(content) == entry.digest

    @invariant()
    def the_ledger_agrees_and_the_budget_holds(self):
        if not hasattr(self, "cache"):
            return
        with self.cache.ledger.opened() as account:
            counted = account.used_bytes
        there = sum(entry.size_bytes for entry in self.cache.entries.walk())
        there += sum(size for _, size in self.reserved) + self.cache.quarantine.count()[1]
        assert counted is None or there == counted
        assert there <= BUDGET

    def teardown(self):
        while self.reserved:
            self.give_back()
        for run in list(self.workdirs):
            self.end(run)
        if hasattr(self, "cache"):
            assert 0 == reserved_bytes(str(self.cache.root))
        shutil.rmtree(self.top)


def test_the_cache_does_what_its_model_does():
    """Fetching, holding, releasing, dying, evicting, rotting and rebooting in any order."""
    run_state_machine_as_test(
        CacheMachine,
        settings=settings(
            max_examples=int(os.environ.get("ROOTCELLAR_TEST_EXAMPLES", "30")),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
