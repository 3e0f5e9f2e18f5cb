"""Walks against a plain search over the same history."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import CatalogError, NotInCatalog
from rootcellar.schemas.record import RunState

NAMES = ("a", "b", "c")


@dataclass
class History:
    """What was recorded, kept as plain edges: the oracle."""

    made_from: dict[str, set[str]] = field(default_factory=dict)

    def relatives(self, start, *, upstream):
        """Depth by uid, breadth first."""
        depths, level, depth = {start: 0}, {start}, 0
        while level:
            depth += 1
            level = {
                other
                for one in level
                for other in (
                    self.made_from.get(one, set())
                    if upstream
                    else {made for made, sources in self.made_from.items() if one in sources}
                )
            } - depths.keys()
            depths.update(dict.fromkeys(level, depth))
        del depths[start]
        return depths


# A run reads the current versions of some artifacts and writes some: reading what it writes is a
# self-update, few bodies make identical rewrites, few names make diamonds.
RUNS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(NAMES)),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["x", "y"]), max_size=2),
    ),
    max_size=10,
)


def play(catalog, records, runs, *, salt):
    """Record these runs and return all version uids with their history."""
    history, current, uids = History(), {}, []
    for number, (reads, writes) in enumerate(runs):
        sources = [current[name] for name in sorted(reads) if name in current]
        made = [
            records.version(
                f"{name}{salt}", {"n": 1}, body, recorded_at=records.START + timedelta(hours=number)
            )
            for name, body in sorted(writes.items())
        ]
        records.record(catalog, sources, made)
        for one in made:
            history.made_from[one.ref.version] = {source.ref.version for source in sources}
            current[one.ref.type.removesuffix(str(salt))] = one
            uids.append(one.ref.version)
    return history, uids


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=RUNS)
def test_walks_find_what_a_plain_search_finds(catalog, records, salts, runs):
    """Upstream and downstream give exactly the relatives, each once, with its distance."""
    history, uids = play(catalog, records, runs, salt=next(salts))
    for uid in uids[-4:]:
        for upstream in (True, False):
            table = catalog.upstream(uid) if upstream else catalog.downstream(uid)
            found = dict(zip([v.uid for v in table], [row[0] for row in rows(table)], strict=True))

            assert history.relatives(uid, upstream=upstream) == found
            assert sorted(found.values()) == list(found.values())
            assert table.note == ""


def rows(table):
    """The table's rows as tuples."""
    return table.rows


def chain(catalog, records, length):
    """A state file that updates itself; returns its versions, oldest first."""
    made = [
        records.version("s", {}, f"{n}", recorded_at=records.START + timedelta(hours=n))
        for n in range(length)
    ]
    for number, one in enumerate(made):
        records.record(catalog, made[max(number - 1, 0) : number], [one])
    return [one.ref.version for one in made]


def test_a_node_limit_keeps_the_nearest_and_says_so(catalog, records):
    """At the limit nothing is cut and nothing is said; beyond it both."""
    uids = chain(catalog, records, 6)

    whole = catalog.upstream(uids[-1], max_nodes=5)
    cut = catalog.upstream(uids[-1], max_nodes=2)

    assert (uids[4::-1], "") == ([one.uid for one in whole], whole.note)
    assert [uids[4], uids[3]] == [one.uid for one in cut]
    assert "stopped after 2 versions; there are more" == cut.note


def test_a_depth_limit_keeps_what_is_near_and_says_so(catalog, records):
    """A depth that reaches the end says nothing."""
    uids = chain(catalog, records, 4)

    whole = catalog.downstream(uids[0], max_depth=3)
    cut = catalog.downstream(uids[0], max_depth=1)

    assert (uids[1:], "") == ([one.uid for one in whole], whole.note)
    assert uids[1:2] == [one.uid for one in cut]
    assert "stopped after 1 steps; there are more" == cut.note


def test_a_tall_diamond_is_walked_once(catalog, records):
    """Thirty layers of three versions, each made from all of the layer before, are ninety nodes."""
    layer = []
    for depth in range(30):
        made = [records.version(f"t{n}", {"depth": depth}, f"{n} {depth}") for n in range(3)]
        records.record(catalog, layer, made)
        layer = made

    assert 87 == len(catalog.upstream(layer[0].ref))


def test_reused_outputs_add_no_ancestors(catalog, records):
    """A run that took a version over is not where it came from."""
    made = records.version("pv", {}, "power")
    other = records.version("w", {}, "sky", origin="observed")
    records.record(catalog, [], [made])
    start = records.started()
    end = records.ended(start.uid, [other], [made], state=RunState.REUSED)
    catalog.start_run(start)
    catalog.finish_run(replace(end, outputs=(replace(end.outputs[0], mode="reused"),)))

    assert [] == list(catalog.upstream(made.ref))
    assert [] == list(catalog.downstream(other.ref))


def test_a_graph_shows_versions_and_the_runs_between(catalog, records):
    """Upstream shows the maker of the start; downstream does not."""
    sky = records.version("w", {"s": 1}, "sky", origin="observed")
    power = records.version("pv", {"s": 1}, "power")
    total = records.version("sum", {}, "total")
    first = records.record(catalog, [sky], [power])
    second = records.record(catalog, [power], [total], task="add")

    up = catalog.graph(power.ref)
    down = catalog.graph(power.ref, "downstream")

    assert {sky.ref.version, power.ref.version, first} == {node.id for node in up.nodes}
    assert {(sky.ref.version, first, "source"), (first, power.ref.version, "")} == {
        (edge.source, edge.target, edge.label) for edge in up.edges
    }
    assert {power.ref.version, total.ref.version, second} == {node.id for node in down.nodes}
    assert {(power.ref.version, second), (second, total.ref.version)} == {
        (edge.source, edge.target) for edge in down.edges
    }
    assert {"version": "pv(s=1)", "run": "simulate"} == {
        node.kind: node.title for node in up.nodes if node.id != sky.ref.version
    }


def test_every_edge_of_a_cut_graph_joins_two_of_its_nodes(catalog, records):
    """A limit leaves no loose ends."""
    uids = chain(catalog, records, 8)
    for direction, start in (("upstream", uids[-1]), ("downstream", uids[0])):
        for limits in ({"max_nodes": 3}, {"max_depth": 2}):
            graph = catalog.graph(start, direction, **limits)
            ids = {node.id for node in graph.nodes}

            assert {end for edge in graph.edges for end in (edge.source, edge.target)} <= ids
            assert graph.note


def test_an_unknown_start_is_an_error_with_a_remedy(catalog):
    """Asking for the relatives of nothing is not an empty answer."""
    with pytest.raises(NotInCatalog, match="no version 'no-such-version' is recorded") as caught:
        catalog.upstream("no-such-version")

    assert caught.value.remedy


def test_a_walk_that_leads_nowhere_is_refused(catalog, records):
    """A misspelt direction and a limit of nothing are errors, not small graphs."""
    made = records.version("pv", {"s": 1}, "power")
    records.record(catalog, [], [made])

    with pytest.raises(CatalogError, match="sideways"):
        catalog.graph(made.ref, "sideways")
    with pytest.raises(CatalogError, match="max_nodes"):
        catalog.upstream(made.ref, max_nodes=0)


def test_a_walk_stands_in_the_order_of_keys(catalog, records):
    """Of equally near versions, those of one type stand together, numbers by their value."""
    keys = [("w", 10), ("v", 1), ("w", 9), ("v", 2)]
    seen = [records.version(name, {"s": n}, f"{name}{n}", origin="observed") for name, n in keys]
    made = records.version("sum", {}, "total")
    records.record(catalog, seen, [made])

    found = [str(one) for one in catalog.upstream(made.ref)]
    drawn = catalog.graph(made.ref).to_text().splitlines()

    assert [f"{name}(s={n}) version 1" for name, n in sorted(keys)] == found
    assert sorted(keys) == [
        (name, n) for line in drawn for name, n in keys if f" {name}(s={n})" in line
    ]


def test_a_task_that_updates_its_own_artifact_is_walked_once(catalog, records):
    """Neither an output that is its own input nor two runs that feed each other are endless."""
    own = records.version("a", {"k": 1}, "x")
    records.record(catalog, [own], [own])
    there, back = records.version("b", {}, "b"), records.version("c", {}, "c")
    records.record(catalog, [own, back], [there])
    records.record(catalog, [there], [back])

    assert {own.ref, back.ref} == {one.ref for one in catalog.upstream(there.ref)}
    assert {there.ref, back.ref} == {one.ref for one in catalog.downstream(own.ref)}
    assert "a(k=1)" in catalog.graph(there.ref).to_svg()


def test_a_hub_is_not_read_whole(catalog, records):
    """Of what many runs read the first are found, and the note says that there are more."""
    hub = records.version("rain", {"day": 0}, "wet")
    made = [records.version("melt", {"day": day}, f"m{day}") for day in range(40)]
    for one in made:
        records.record(catalog, [hub, hub], [one])

    found = catalog.downstream(hub.ref.version, max_nodes=10)
    every = catalog.downstream(hub.ref.version)

    assert (10, True) == (len(found), "stopped after 10 versions" in found.note)
    assert ({one.ref.version for one in made}, "") == ({one.uid for one in every}, every.note)


@pytest.mark.parametrize("steps", [3, 6, 7, 20])
def test_long_ways_down_are_walked_whole(catalog, records, steps):
    """However the walk is split, all that hangs on the start is found at its distance."""
    chain = [records.version("state", {}, f"s{step}") for step in range(steps + 1)]
    for before, after in itertools.pairwise(chain):
        records.record(catalog, [before], [after])

    found = catalog.downstream(chain[0].ref.version)

    assert [one.ref.version for one in chain[1:]] == [one.uid for one in found]
    assert tuple(range(1, steps + 1)) == found.column("depth")
