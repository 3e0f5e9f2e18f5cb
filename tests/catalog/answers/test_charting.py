"""The map of types and tasks, against a walk over all runs in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.record import RunState

TYPES = ["raw", "fit", "plot"]


def walked(catalog):
    """What `map` should draw, from every run's inputs and outputs."""
    found = set()
    for run in catalog.runs():
        if run.kind == "pull":
            continue
        who = run.task or run.kind
        found |= {(one.version.type, who, one.argument) for one in run.inputs if one.version}
        found |= {(who, one.version.type, one.argument) for one in run.outputs}
    return found


def drawn(graph):
    titles = {node.id: node.title for node in graph.nodes}
    return {(titles[edge.source], titles[edge.target], edge.label) for edge in graph.edges}


def test_types_and_tasks_are_drawn_once(lab):
    """However many runs: each type with its members, each task with its runs, and a push."""
    raw = lab.version("raw", "sky")
    lab.run("", [], [raw], kind="push")
    for n in range(3):
        fit = lab.version("fit", str(n), key={"n": n})
        lab.run("lab.fit", {"sky": [raw]}, [fit])
        lab.run("plot", {"fits": [fit]}, [lab.version("plot", str(n))])
    lab.run("", {"it": [raw]}, [], kind="pull")
    lab.catalog.finish_run(
        lab.records.ended(
            (start := lab.records.started(task="plot")).uid, [fit], [], state=RunState.FAILED
        ),
        start,
    )
    graph = lab.catalog.map()

    assert walked(lab.catalog) == drawn(graph)
    assert {
        "fit": "3 artifacts",
        "plot": "4 runs, 1 failed",
        "raw": "1 artifact",
        "lab.fit": "3 runs",
        "push": "1 run",
    }.items() <= {
        node.title: node.detail
        for node in graph.nodes
        if node.kind == "run" or node.title != "plot"
    }.items()
    assert "1 artifact" in next(n for n in graph.nodes if n.id == "plot").detail
    assert len(graph.nodes) == len({node.id for node in graph.nodes}) == 6
    assert all(form for form in (graph.to_svg(), graph.to_mermaid(), graph.to_dot(), str(graph)))


def test_a_map_may_leave_out_what_is_long_past(lab):
    """With `since`, only types and tasks of later runs; without, declared types as well."""
    catalog = lab.catalog
    catalog.declare([lab.records.type_record("later")])
    lab.run("old", [], [lab.version("fit", "1")])
    lab.run("new", [], [lab.version("plot", "2")], started_at=datetime.now(UTC))

    assert {"plot", "new"} == {node.title for node in catalog.map(timedelta(days=1)).nodes}
    assert {"later", "fit", "plot", "old", "new"} == {node.title for node in catalog.map().nodes}
    assert "0 artifacts" == next(n for n in catalog.map().nodes if n.id == "later").detail


def test_an_empty_catalog_has_an_empty_map(lab_file):
    """Nothing is drawn, and nothing fails."""
    assert () == lab_file.catalog.map().nodes


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "a.b"]),
            st.dictionaries(st.sampled_from("xy"), st.sampled_from(TYPES), max_size=2),
            st.lists(st.sampled_from(TYPES), max_size=2, unique=True),
        ),
        max_size=8,
    )
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_map_is_what_a_walk_finds(lab_file, runs):
    """Whatever ran, also in circles: the same arrows as from all inputs and outputs."""
    last = {}
    for task, reads, writes in runs:
        made = {name: lab_file.version(name, name) for name in writes}
        sources = {argument: [last[name]] for argument, name in reads.items() if name in last}
        lab_file.run(task, sources, list(made.values()))
        last |= made

    assert walked(lab_file.catalog) == drawn(lab_file.catalog.map())
