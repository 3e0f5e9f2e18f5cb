"""Which pairs of versions an explanation looks at, against a plain walk over the same history."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ("a", "b", "c")
RUNS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(NAMES)),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["x", "y"]), max_size=2),
    ),
    max_size=12,
)


@dataclass
class History:
    """All versions by name, and what each was made from: the oracle."""

    versions: dict = field(default_factory=dict)
    reads: dict = field(default_factory=dict)

    def pairs(self, after, before):
        """The pair, and all pairs of inputs that differ behind it, as uids."""
        found, level = set(), [(after, before)]
        while level:
            one, other = level.pop()
            if (one.ref.version, other.ref.version) in found:
                continue
            found.add((one.ref.version, other.ref.version))
            old = {read.ref.type: read for read in self.reads[other.ref.version]}
            level += [
                (read, old[read.ref.type])
                for read in self.reads[one.ref.version]
                if read.ref.type in old and read.ref.digest != old[read.ref.type].ref.digest
            ]
        return found


def play(lab, runs, salt):
    """Record these runs and return their history."""
    history = History()
    for reads, writes in runs:
        sources = [
            history.versions[f"{name}{salt}"][-1]
            for name in sorted(reads)
            if f"{name}{salt}" in history.versions
        ]
        made = [lab.version(f"{name}{salt}", body) for name, body in sorted(writes.items())]
        lab.run("simulate", sources, made)
        for one in made:
            history.versions.setdefault(one.ref.type, []).append(one)
            history.reads[one.ref.version] = sources
    return history


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=RUNS, limit=st.integers(1, 4))
def test_every_pair_that_differs_is_looked_at_once(lab_file, salts, runs, limit):
    """Exactly the pairs that a plain walk meets; a limit stops it, and the rest is named."""
    history = play(lab_file, runs, next(salts))
    for versions in history.versions.values():
        before, after = versions[0], versions[-1]
        if before.ref.digest == after.ref.digest:
            continue
        why = lab_file.catalog.why(after.ref, before.ref)
        cut = lab_file.catalog.why(after.ref, before.ref, max_nodes=limit)

        pairs = history.pairs(after, before)
        start = (after.ref.version, before.ref.version)
        data = [(one.version.uid, one.than.uid) for one in why.table() if one.kind == "data"]
        assert pairs == {*data, start}
        assert len(pairs) == why.examined
        assert () == why.not_examined
        assert why.roots
        assert min(limit, len(pairs)) == cut.examined
        assert bool(cut.not_examined) == (limit < len(pairs))
