"""Folders whose members leave while the body goes on, with real workers."""

import os
import signal

import pytest
from grid_artifacts import Tiles
from grid_deployment import wait_until

from rootcellar import staged
from rootcellar.schemas.errors import BindingError


def members(grid, station):
    """The keys below one folder, without the folder's own part."""
    top = f"tiles/{station:03d}/"
    return [key.removeprefix(top) for key in grid.stored("derived") if key.startswith(top)]


def texts(station):
    return {f"{n}.txt": f"tile {n} of {station}" for n in range(6)} | {
        "last.txt": f"the last of {station}"
    }


def read(artifact):
    with staged(artifact) as files:
        return files.tiles.load(dict[str, str])


def test_a_killed_run_s_members_are_used_again(any_grid):
    """The next delivery has the store copy what is there; what is published is whole."""
    from grid_app import tiled

    grid = any_grid
    station = grid.station()
    sign = grid.sign(f"tiled-{station:03d}")
    result = tiled.delay(station)
    # The note that tells the next attempt follows within seconds.
    wait_until(lambda: sum(key.endswith(".json") for key in members(grid, station)))
    wait_until(lambda: sign.exists() and sign.read_text().endswith("\n"))

    assert "_manifest.json" not in members(grid, station)

    os.kill(int(sign.read_text()), signal.SIGKILL)
    grid.ended(result)
    first, second = grid.runs(result)
    [output] = second.outputs

    assert ["lost", "succeeded"] == [first.state, second.state]
    assert texts(station) == read(Tiles(station=station))
    new = {"5.txt", "last.txt"} if grid.deployment.name == "servers" else set(texts(station))
    assert sum(len(texts(station)[name]) for name in new) == output.transferred_bytes
    notes = [key for key in members(grid, station) if key.endswith(".json")]
    assert ["_manifest.json"] == notes


def test_a_run_that_is_tried_again_uses_its_members(servers_grid):
    """And leaves nothing of the attempt that failed."""
    from grid_app import tiled_in_vain

    grid = servers_grid
    station = grid.station()
    result = tiled_in_vain.delay(station, "network")
    grid.ended(result)
    first, second = grid.runs(result)

    assert ["retried", "succeeded"] == [first.state, second.state]
    assert 0 == second.outputs[0].transferred_bytes
    root = f"v-{second.outputs[0].version.uid}"
    assert sorted(["_manifest.json", f"{root}/0.txt"]) == sorted(members(grid, station))


def test_a_run_that_failed_for_good_leaves_nothing(any_grid):
    """What it handed over is removed from the store."""
    from grid_app import tiled_in_vain

    station = any_grid.station()
    any_grid.failed(tiled_in_vain.delay(station, "bad value"))

    wait_until(lambda: members(any_grid, station) == [])


def test_members_of_several_folders_are_added(grid):
    """Each of `Outputs` takes its own."""
    from grid_app import tiled_several

    stations = [grid.station(), grid.station()]
    grid.ended(tiled_several.delay(stations))

    for station in stations:
        expected = {f"{n}.txt": f"tile {n} of {station}" for n in range(3)}
        assert expected == read(Tiles(station=station))


def test_members_are_added_by_hand_too(grid):
    """In a `staged` block, as in a task."""
    from rootcellar import OUTPUT

    station = grid.station()
    with staged(station=station, tiles=OUTPUT) as files:
        for name, text in texts(station).items():
            (files.tiles.path / name).write_text(text)
            files.tiles.add(name)

    assert texts(station) == read(Tiles(station=station))


def test_a_file_has_no_members(grid):
    """The error says what to do instead."""
    from rootcellar import OUTPUT

    station = grid.station()

    def block():
        with staged(station=station, total=OUTPUT) as files:
            files.total.add(files.total.path)

    with pytest.raises(BindingError, match="only members of a folder output can be added"):
        block()
