"""Declare, stage, run on a worker, record, ask: on both deployments."""

from __future__ import annotations

import pytest
from celery import chain, chord, group


@pytest.fixture(autouse=True)
def _tasks(any_grid):
    """The tasks, once the app's module can be imported."""


def test_one_task(any_grid):
    """A call with a key reads its input, publishes its output, and returns its ref."""
    from grid_app import simulate
    from grid_artifacts import Generation

    station = any_grid.station("one two three")
    ref = any_grid.ended(simulate.delay(weather=station, tilt=10))

    assert Generation(station=station, tilt=10).load() == {"kwh": 30}
    assert ref["$type"] == "generation"
    assert ref["key"] == {"station": station, "tilt": 10}


def test_run_is_recorded(any_grid):
    """The run says what it read, what it made and how it was called."""
    from grid_app import simulate

    station = any_grid.station()
    result = simulate.delay(station, tilt=20)
    any_grid.ended(result)
    (run,) = any_grid.runs(result)

    assert run.task == "grid_app.simulate"
    assert run.state == "succeeded"
    assert run.arguments == {"weather": station, "tilt": 20}
    assert [one.version.artifact for one in run.inputs] == [f"weather(station={station})"]
    assert [one.version.type for one in run.outputs] == ["generation"]
    assert run.queue == "celery"
    assert run.code.qualname == "grid_app:simulate"


def test_chain(any_grid):
    """The next link of a chain gets the version that the link before it made."""
    from grid_app import add_up, simulate
    from grid_artifacts import Total

    station = any_grid.station()
    any_grid.ended(chain(simulate.s(station, 10), add_up.s(station=station)).delay())
    upstream = any_grid.catalog.upstream(Total(station=station))

    assert Total(station=station).load() == {"kwh": [30]}
    assert [version.type for version in upstream] == ["generation", "weather"]


def test_chord_of_one_type(any_grid):
    """A chord hands all results of its header to the one list argument, in order."""
    from grid_app import add_up, simulate
    from grid_artifacts import Total

    station = any_grid.station()
    header = [simulate.s(station, tilt) for tilt in (30, 10, 20)]
    any_grid.ended(chord(header, add_up.s(station=station)).delay())

    assert Total(station=station).load() == {"kwh": [90, 30, 60]}


def test_chord_of_several_types(any_grid):
    """Results of different types go to the arguments that stand for them."""
    from grid_app import rate, settle, simulate
    from grid_artifacts import Total

    station = any_grid.station()
    header = [simulate.s(station, 10), rate.s(station), simulate.s(station, 20)]
    any_grid.ended(chord(header, settle.s()).delay())

    assert Total(station=station).load() == {"kwh": [30, 60], "kw": 3}


def test_group(any_grid):
    """A group gives the refs of its members, in order."""
    from grid_app import simulate

    station = any_grid.station()
    refs = any_grid.ended(group(simulate.s(station, tilt) for tilt in (1, 2)).delay())

    assert [ref["key"]["tilt"] for ref in refs] == [1, 2]


def test_fan_in_by_key(any_grid):
    """A dict argument is keyed by artifact."""
    from grid_app import add_up_keyed, simulate
    from grid_artifacts import Generation, Total

    station = any_grid.station()
    any_grid.ended(group(simulate.s(station, tilt) for tilt in (1, 2)).delay())
    wanted = [Generation(station=station, tilt=tilt) for tilt in (2, 1)]
    any_grid.ended(add_up_keyed.delay(generations=wanted))

    assert Total(station=station).load() == {"1": 3, "2": 6}


def test_selection(any_grid):
    """`where` stands for what the catalog knows when the run starts."""
    from grid_app import add_up, simulate
    from grid_artifacts import Generation, Total

    station = any_grid.station()
    any_grid.ended(group(simulate.s(station, tilt) for tilt in (1, 2, 3)).delay())
    selection = Generation.where(station=station, tilt=[1, 3])
    any_grid.ended(add_up.delay(generations=selection, station=station))

    assert Total(station=station).load() == {"kwh": [3, 9]}


def test_outputs_with_keys_of_the_body(any_grid):
    """Any number of members whose keys only the body knows, returned as a list of refs."""
    from grid_app import split
    from grid_artifacts import Part

    station = any_grid.station("fog snow")
    refs = any_grid.ended(split.delay(station))

    assert [ref["key"]["name"] for ref in refs] == ["fog", "snow"]
    assert Part(station=station, name="snow").load() == "snow"


def test_several_outputs(any_grid):
    """Several outputs return their refs by argument, and the next link takes those it needs."""
    from grid_app import both, settle
    from grid_artifacts import Capacity, Total

    station = any_grid.station()
    any_grid.ended(chain(both.s(station, 10), settle.s()).delay())

    assert Capacity(station=station).load() == {"kw": 3}
    assert Total(station=station).load() == {"kwh": [30], "kw": 3}


def test_folder(any_grid):
    """A folder is published by its manifest and read as one version."""
    from grid_app import join, tile
    from grid_artifacts import Total

    station = any_grid.station("a b c")
    any_grid.ended(chain(tile.s(station), join.s()).delay())
    (version, _) = any_grid.catalog.upstream(Total(station=station))

    assert Total(station=station).load() == {"words": ["a", "b", "c"]}
    assert (version.kind, version.members) == ("folder", 3)


def test_optional_input(any_grid):
    """Where nothing is there, an optional argument is None, and it is recorded as absent."""
    from grid_app import perhaps
    from grid_artifacts import Total

    station = any_grid.station()
    result = perhaps.delay(station, capacity=station)
    any_grid.ended(result)
    absent = [one.argument for one in any_grid.runs(result)[0].inputs if one.version is None]

    assert Total(station=station).load() == {"kw": None}
    assert absent == ["capacity"]


def test_concurrent_chains_keep_their_versions(any_grid):
    """A ref pins its version: of two chains over one artifact each reads its own."""
    from grid_app import keep, read_kept
    from grid_artifacts import Generation

    station = any_grid.station()
    gates = [f"kept-{station}-{value}" for value in (1, 2)]
    chains = [
        chain(keep.s(station, value), read_kept.s(tilt=value, gate=gate))
        for value, gate in enumerate(gates, start=1)
    ]
    first = chains[0].delay()
    any_grid.ended(first.parent)
    any_grid.sign(gates[1]).touch()
    any_grid.ended(chains[1].delay())
    any_grid.sign(gates[0]).touch()
    any_grid.ended(first)

    assert Generation(station=station, tilt=1).load() == {"value": 1}
    assert Generation(station=station, tilt=2).load() == {"value": 2}


def test_pinned_version_survives_replacement(any_grid):
    """A ref gives the bytes it names, though the same URI holds newer ones by now."""
    from grid_app import add_up, simulate
    from grid_artifacts import Total, Weather

    station = any_grid.station("one")
    old = any_grid.ended(simulate.delay(station, 10))
    any_grid.put(Weather(station=station), "one two")
    any_grid.ended(simulate.delay(station, 10))
    any_grid.ended(add_up.delay(old, station))

    assert Total(station=station).load() == {"kwh": [10]}


def test_reuse(any_grid):
    """The same inputs, arguments and code run once; another argument runs again."""
    from grid_app import once

    station = any_grid.station()
    first = once.delay(station, 2)
    any_grid.ended(first)
    second = once.delay(station, 2)
    any_grid.ended(second)
    other = once.delay(station, 3)
    any_grid.ended(other)
    states = [any_grid.runs(result)[0].state for result in (first, second, other)]
    bodies = any_grid.sign("once").read_text().split().count(f"{station:03d}.txt")

    assert states == ["succeeded", "reused", "succeeded"]
    assert bodies == 2
    assert any_grid.ended(first) == any_grid.ended(second)


def test_nothing_is_left_on_the_host(any_grid):
    """After a run its workdir and temporary files are gone."""
    from grid_app import simulate

    any_grid.ended(simulate.delay(any_grid.station(), 5))

    assert any_grid.workdirs() == []
    assert list((any_grid.cache / "tmp").iterdir()) == []
