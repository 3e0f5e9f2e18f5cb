"""What is stale, against a plain walk over the same history."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from rootcellar.catalog.answers.staleness import StaleCause
from rootcellar.schemas.errors import NotInCatalog

NAMES = ("a", "b", "c", "d")

# Few names and few bodies: diamonds, circles, self-updates and equal rewrites come by themselves.
# A read takes the newest version or an older one; a run without writes stands for a sighting.
RUNS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), max_size=3),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["x", "y"]), max_size=2),
        st.sampled_from(["made", "made", "made", "seen", "unread"]),
    ),
    max_size=12,
)


@dataclass
class History:
    """All versions by name, and what each was made from: the oracle."""

    versions: dict = field(default_factory=dict)
    made_by: dict = field(default_factory=dict)
    reads: dict = field(default_factory=dict)

    def head(self, name):
        return self.versions[name][-1]

    def edges(self):
        """Current version, input that it read, what is current of that; one run's own left out."""
        for name in self.versions:
            made = self.head(name)
            for read in self.reads.get(made.ref.version, ()):
                now = self.head(read.ref.type)
                run = self.made_by.get(now.ref.version)
                if run is None or run != self.made_by[made.ref.version]:
                    yield made, read, now

    def stale(self):
        """The rows that are expected: artifact, cause, input, version read, version current."""
        stale, rows = set(), set()
        for made, read, now in self.edges():
            if self.differs(read, now):
                stale.add(made.ref.type)
        while True:
            more = {m.ref.type for m, r, _ in self.edges() if r.ref.type in stale} - stale
            if not more:
                break
            stale |= more
        for made, read, now in self.edges():
            if self.differs(read, now):
                cause = "changed"
            elif read.ref.type in stale:
                cause = "upstream"
            elif read.ref.digest != now.ref.digest:
                cause = "unknown"
            else:
                continue
            rows.add((made.ref.type, cause, read.ref.type, read.ref.version, now.ref.version))
        return rows

    def differs(self, read, now):
        one, other = read.ref.digest, now.ref.digest
        return one != other and not one.is_unread and not other.is_unread


def play(lab, runs, salt):
    """Record these runs and sightings, and return their history."""
    history = History()
    for number, (reads, writes, how) in enumerate(runs):
        sources = [
            history.versions[f"{name}{salt}"][-1 - min(back, len(seen) - 1)]
            for name, back in sorted(reads.items())
            if (seen := history.versions.get(f"{name}{salt}"))
        ]
        if how != "made":
            name = f"{'abcd'[number % 4]}{salt}"
            body = f"{how} {number} of {salt}"
            seen = (
                lab.unread(name, body)
                if how == "unread"
                else lab.version(name, body, origin="observed")
            )
            lab.run("look", [seen], [])
            history.versions.setdefault(name, []).append(seen)
            continue
        made = [lab.version(f"{name}{salt}", body) for name, body in sorted(writes.items())]
        run = lab.run("simulate", sources, made)
        for one in made:
            history.versions.setdefault(one.ref.type, []).append(one)
            history.made_by[one.ref.version] = run
            history.reads[one.ref.version] = sources
    return history


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=RUNS)
def test_stale_is_what_a_plain_walk_finds(lab, salts, runs):
    """Changed, upstream and unknown inputs are found, each once, and nothing else is."""
    salt = next(salts)
    history = play(lab, runs, salt)

    found = [
        (one.type, one.cause.value, one.input_type, one.recorded, one.current)
        for one in lab.catalog.stale()
        if one.type[1:] == str(salt)
    ]

    assert history.stale() == set(found)
    assert len(found) == len(set(found))


def chain(lab):
    """Weather, generation made from it, a total made from that."""
    sky = lab.version("weather", "sun", origin="observed")
    power, total = lab.version("generation", "1"), lab.version("total", "10")
    lab.run("simulate", {"weather": [sky]}, [power])
    lab.run("add", {"pv": [power]}, [total])


def test_a_changed_input_makes_stale_and_its_dependants_upstream(lab):
    """The direct one is told apart from what hangs on it, with both versions of the input."""
    chain(lab)
    lab.run("look", [lab.version("weather", "rain", origin="observed")], [])

    table = lab.catalog.stale()

    assert [
        "generation(n=1): weather: weather(n=1) changed: version 2, was 1",
        "total(n=1): pv: generation(n=1) is stale itself",
    ] == [str(one) for one in table]
    assert table.note == ""


def test_equal_bytes_made_again_clear_the_alarm(lab):
    """Contents count, not version numbers and not times."""
    chain(lab)
    newer = lab.version("weather", "rain", origin="observed")
    lab.run("look", [newer], [])
    lab.run("simulate", {"weather": [newer]}, [lab.version("generation", "1")])

    assert [] == list(lab.catalog.stale())


def test_what_was_never_read_whole_is_unknown(lab):
    """Another state of an object may hold the same bytes; nothing downstream is called stale."""
    seen = lab.unread("weather", "etag 1")
    power, total = lab.version("generation", "1"), lab.version("total", "10")
    lab.run("simulate", {"weather": [seen]}, [power])
    lab.run("add", {"pv": [power]}, [total])
    lab.run("look", [lab.unread("weather", "etag 2")], [])

    found = list(lab.catalog.stale())

    assert [(StaleCause.UNKNOWN, "generation")] == [(one.cause, one.type) for one in found]
    assert str(found[0]).endswith("weather(n=1) may have changed: version 2, was 1")


def test_a_current_input_that_was_deleted_is_unknown(lab_file):
    """Of bytes that are gone nothing can be made, so nothing is called changed."""
    lab = lab_file
    chain(lab)
    newer = lab.version("weather", "rain", origin="observed")
    lab.run("look", [newer], [])

    def delete(connection):
        connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        connection.execute(
            text(
                "UPDATE location SET state = 'deleted' WHERE version_id = "
                "(SELECT id FROM version WHERE uid = :uid)"
            ),
            {"uid": newer.ref.version},
        )

    lab.catalog._database.write(delete)

    assert [StaleCause.UNKNOWN] == [one.cause for one in lab.catalog.stale()]


def test_a_state_file_that_updates_itself_is_not_stale(lab):
    """A run that reads the version before and writes the next leaves nothing to do again."""
    first, second = lab.version("state", "1"), lab.version("state", "2")
    log = lab.version("log", "entry")
    lab.run("step", [], [first])
    lab.run("step", {"state": [first]}, [second, log])

    assert [] == list(lab.catalog.stale())


def test_a_type_and_a_key_select_the_stale_ones(lab):
    """The alarm is traced through all types, and shown for one."""
    chain(lab)
    lab.run("look", [lab.version("weather", "rain", origin="observed")], [])

    assert ["total"] == [one.type for one in lab.catalog.stale("total", n=[1, 2])]
    assert [] == list(lab.catalog.stale("total", n=2))
    with pytest.raises(NotInCatalog, match="no such artifact type"):
        lab.catalog.stale("totals")
    with pytest.raises(NotInCatalog, match="no field 'm'"):
        lab.catalog.stale("total", m=1)


def test_a_limit_on_stale_rows_says_so(lab):
    """At the limit nothing is cut and nothing is said; beyond it both."""
    chain(lab)
    lab.run("look", [lab.version("weather", "rain", origin="observed")], [])

    assert (2, "") == (len(lab.catalog.stale(max_rows=2)), lab.catalog.stale(max_rows=2).note)
    assert (1, "first 1 of more") == (
        len(lab.catalog.stale(max_rows=1)),
        lab.catalog.stale(max_rows=1).note,
    )


def test_stale_tables_go_to_frames(lab_file):
    """Causes are words in a frame, whatever they are in Python."""
    chain(lab_file)
    lab_file.run("look", [lab_file.version("weather", "rain", origin="observed")], [])

    frame = lab_file.catalog.stale().to_arrow()

    assert ["changed", "upstream"] == frame.column("cause").to_pylist()
