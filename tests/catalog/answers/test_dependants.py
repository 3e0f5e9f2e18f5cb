"""What depends on an artifact, and in which order to make it again, against a plain walk."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import CatalogError, NotInCatalog
from rootcellar.schemas.record import RunState

NAMES = ("a", "b", "c", "d", "e")
RUNS = st.lists(
    st.tuples(st.sets(st.sampled_from(NAMES), max_size=3), st.sets(st.sampled_from(NAMES))),
    max_size=10,
)


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


def play(lab, runs, salt):
    """Record these runs; return heads, their runs, and what current versions were made from."""
    head, made_by, reads = {}, {}, {}
    for read, write in runs:
        sources = [head[f"{name}{salt}"] for name in sorted(read) if f"{name}{salt}" in head]
        made = [lab.version(f"{name}{salt}", f"{lab.hour}") for name in sorted(write)]
        run = lab.run("simulate", sources, made)
        for one in made:
            head[one.ref.type] = one
            made_by[one.ref.type] = run
            reads[one.ref.type] = [source.ref.type for source in sources]
    inputs = {name: {one for one in reads[name] if made_by[one] != made_by[name]} for name in head}
    return head, made_by, inputs


def dependants(inputs, start):
    """Depth by name, breadth first: the oracle."""
    depths, level, depth = {start: 0}, {start}, 0
    while level:
        depth += 1
        level = {name for name, sources in inputs.items() if sources & level} - depths.keys()
        depths.update(dict.fromkeys(level, depth))
    del depths[start]
    return depths


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=RUNS)
def test_impact_is_what_a_plain_walk_finds(lab, salts, runs):
    """Exactly the current versions that depend on it, each with its distance."""
    head, _, inputs = play(lab, runs, next(salts))
    for name, version in head.items():
        answer = lab.catalog.impact(version.ref)

        depths = {one.type: answer.depths[one.uid] for one in answer}
        assert dependants(inputs, name) == depths
        assert {head[one].ref.version for one in depths} == {one.uid for one in answer}
        assert sorted(depths.values()) == [answer.depths[one.uid] for one in answer]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=RUNS)
def test_a_plan_repeats_each_run_once_and_after_what_it_needs(lab, salts, runs):
    """Every run stands in one step, as early as it can, behind the runs that feed it."""
    head, made_by, inputs = play(lab, runs, next(salts))
    for name, version in head.items():
        plan = lab.catalog.impact(version.ref).plan()

        affected = dependants(inputs, name)
        step_of = {uid: step.number for step in plan for uid in step.runs}
        assert {made_by[one] for one in affected} == set(step_of)
        assert plan.runs == len(step_of)
        feeds = {
            (made_by[source], made_by[one])
            for one in affected
            for source in inputs[one]
            if source in affected and made_by[source] != made_by[one]
        }
        if plan.note:
            assert "feed each other" in plan.note
            continue
        for uid, number in step_of.items():
            before = [step_of[source] for source, target in feeds if target == uid]
            assert max(before, default=0) + 1 == number


def diamond(lab):
    """Weather, two generations from it, a total from both; the second task takes twice as long."""
    sky = lab.version("weather", "sun", origin="observed")
    powers = [lab.version("generation", f"{tilt}", key={"tilt": tilt}) for tilt in (10, 30)]
    for power in powers:
        lab.run("simulate", {"weather": [sky]}, [power], seconds=10)
    lab.run("add", {"pv": powers}, [lab.version("total", "sum")], seconds=20)
    return sky


def test_a_plan_tells_order_number_and_cost(lab):
    """Steps in the order of levels, costs from the median of past runs of the same task."""
    sky = diamond(lab)
    lab.run("simulate", {"weather": [sky]}, [lab.version("other", "")], seconds=1_000)

    answer = lab.catalog.impact(sky.ref)
    plan = answer.plan()

    assert [(1, "simulate", 3, 10.0, 3), (2, "add", 1, 20.0, 1)] == [
        (one.number, one.task, len(one.runs), one.seconds, one.past_runs) for one in plan
    ]
    assert ({"generation": 2, "other": 1}, {"total": 1}) == tuple(one.types for one in plan)
    assert (50.0, 30.0, 0) == (plan.seconds, plan.least_seconds, plan.unknown_runs)
    assert (
        "2 generation, 1 other, 1 total made from weather(n=1)\n"
        "  4 runs in 2 steps: about 50.0 s of work, 30.0 s at the least, 0 B in, 0 B out"
    ) == str(answer)


def test_costs_that_are_not_known_are_said(lab):
    """Only runs that succeeded count, and what was made by hand has no cost."""
    sky = lab.version("weather", "sun", origin="observed")
    power = lab.version("generation", "1")
    lab.run("session", {"weather": [sky]}, [power], kind="session")
    start = lab.records.started(task="add")
    failed = lab.records.ended(
        start.uid, [power], [lab.version("total", "1")], state=RunState.FAILED
    )
    lab.catalog.start_run(start)
    lab.catalog.finish_run(failed)

    plan = lab.catalog.impact(sky.ref).plan()

    assert [("session", None, True), ("add", None, False)] == [
        (one.task, one.seconds, one.is_by_hand) for one in plan
    ]
    assert "2 runs in 2 steps; the cost of 2 runs is unknown" == plan.sentence


def test_only_current_versions_are_affected(lab):
    """What was made from it once, and has been made from something else since, is not named."""
    sky = diamond(lab)
    other = lab.version("sensor", "1", origin="observed")
    lab.run("simulate", {"sensor": [other]}, [lab.version("generation", "x", key={"tilt": 10})])

    assert {"generation(tilt=30)", "total(n=1)"} == {
        one.artifact for one in lab.catalog.impact(sky.ref)
    }


def test_runs_that_feed_each_other_stand_last(lab):
    """A circle has no order; that is said, and nothing is left out."""
    sky = lab.version("weather", "sun", origin="observed")
    first, back = lab.version("a", "1"), lab.version("b", "1")
    lab.run("there", [sky], [first])
    lab.run("back", [first], [back])
    lab.run("there", [sky, back], [lab.version("a", "2")])

    plan = lab.catalog.impact(sky.ref).plan()

    assert {"there", "back"} == {one.task for one in plan}
    assert "runs that feed each other stand last, in no order" == plan.note


def test_a_limit_on_impact_says_so(lab):
    """At the limit nothing is cut and nothing is said; beyond it both, in every form."""
    sky = diamond(lab)

    whole = lab.catalog.impact(sky.ref, max_nodes=3)
    cut = lab.catalog.impact(sky.ref, max_nodes=2)

    assert (3, "") == (len(whole), whole.note)
    assert (2, "stopped after 2 artifacts; there are more") == (len(cut), cut.note)
    assert all(cut.note in form for form in (str(cut), str(cut.plan()), cut.table().note))
    with pytest.raises(CatalogError, match="max_nodes"):
        lab.catalog.impact(sky.ref, max_nodes=0)


def test_impact_of_what_is_not_recorded_is_an_error(lab_file):
    """An unknown start is no empty answer."""
    with pytest.raises(NotInCatalog):
        lab_file.catalog.impact("no-such-version")


def test_an_end_has_no_impact(lab_file):
    """Nothing depends on it, nothing is to be run, and both are said."""
    lab = lab_file
    lab.run("look", [lab.version("weather", "sun", origin="observed")], [])

    answer = lab.catalog.impact("raw://weather/n=1")

    assert "no current version made from weather(n=1)\n  nothing to run again" == str(answer)
    assert 0 == len(answer) == len(answer.plan())
