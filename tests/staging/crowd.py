"""Processes that share a cache, for the tests of what happens when many do and some are killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PREAMBLE = """
    import os, pathlib, random, signal, sys, time
    from rootcellar.schemas.amount import Amount
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.errors import CacheFull, CacheUnusable
    from rootcellar.staging import Cache, StagingSession, Stores, sweep
    from rootcellar.staging.host.removal import finish_removals
    from rootcellar.staging.cache.space import SpaceLimits, reserved_bytes
    from rootcellar.staging.workdir.workdir import Workdir

    root = pathlib.Path(sys.argv[1])
    stores = Stores.from_mapping({"raw": str(root / "store")})

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def opened(budget=10**9, wait_seconds=30.0):
        return Cache(root / "cache", SpaceLimits(Amount(budget), Amount(0), wait_seconds))

    def wanted(key):
        address = stores.store_for(f"raw://{key}")
        return address, address.store.stat(key)

    def log(line):
        with (root / "log").open("a") as file:
            file.write(f"{line}\\n")
"""


def start(script, root, *arguments):
    """Start a Python process with the names above."""
    text = textwrap.dedent(PREAMBLE) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", text, str(root), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script, root, *arguments):
    """Run one to its end, and return its exit code, output and errors."""
    process = start(script, root, *arguments)
    output, errors = process.communicate()
    return process.returncode, output, errors
