"""How long until rootcellar is there: medians of fresh processes, beside an empty one and Celery.

    python benchmarks/bench_startup.py [rounds]

The commands take turns, so that a noisy machine is noisy for all of them.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
COMMANDS = {
    "python, nothing": [sys.executable, "-c", "pass"],
    "import celery": [sys.executable, "-c", "import celery"],
    "import celery, its Task": [sys.executable, "-c", "from celery import Celery, Task"],
    "import rootcellar": [sys.executable, "-c", "import rootcellar"],
    "declare a type": [sys.executable, "-c", "from rootcellar import Artifact, Parquet, Registry"],
    "rootcellar --help": [str(BIN / "rootcellar"), "--help"],
    "celery --help": [sys.executable, "-m", "celery", "--help"],
}
LIMITS_SECONDS = {"import rootcellar": 0.25, "rootcellar --help": 0.6}


def main() -> int:
    """Print a row per command; end with 1 if a limit was passed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first turn warms the page cache
                seconds[name].append(time.perf_counter() - begun)
    late = 0
    print(f"{'wall seconds of':26} {'median':>7} {'min':>7} {'max':>7} {'limit':>7}")
    for name, times in seconds.items():
        median, limit = statistics.median(times), LIMITS_SECONDS.get(name)
        late += limit is not None and median > limit
        shown = f"{limit:7.2f}" if limit else ""
        print(f"{name:26} {median:7.3f} {min(times):7.3f} {max(times):7.3f} {shown}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
