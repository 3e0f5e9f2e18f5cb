"""One of several processes whose catalog goes away: URL, spool, runs, folder for its progress."""

from __future__ import annotations

import sys
from pathlib import Path

from test_replay import World
from test_starts import wait_until

from rootcellar import away
from rootcellar.away import RunsCatalog
from rootcellar.spool import Spool


def main(url, folder, runs, told):
    away._LOOK_SECONDS = 0.05
    catalog = RunsCatalog(url, Spool(Path(folder)))
    world = World()
    for number in range(int(runs)):
        world.run([("foreign", 0)], number % 3, fails=False)
        catalog.finish_run(world.runs[-1].end, world.runs[-1].start)
        with Path(told).open("a") as file:
            file.write(f"{world.runs[-1].uid}\n")
        if number == int(runs) // 2:
            # Half of each one's runs are recorded while it is away.
            wait_until(Path(folder, "gone").exists)
    catalog.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
