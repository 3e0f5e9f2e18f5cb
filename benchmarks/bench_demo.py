"""How long the demo takes, and how long it takes again: whole commands, in a folder of their own.

python benchmarks/bench_demo.py [stations]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS_SECONDS = {"first run": 60, "second run": 10}


def main() -> int:
    """Print both times; end with 1 if a limit was passed."""
    stations = sys.argv[1] if len(sys.argv) > 1 else "15"
    late = 0
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "rootcellar"), "demo"]
        options = ["--stations", stations, "--to", str(Path(folder) / "atlas")]
        for name, limit in LIMITS_SECONDS.items():
            begun = time.perf_counter()
            subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - begun
            late += seconds > limit
            print(f"demo, {stations} stations, {name:10} {seconds:6.1f} s   limit {limit} s")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
