"""A staging in which one system call after another kills the process or fails (C1, C5, F02)."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.staging import Cache, sweep

_spec = importlib.util.spec_from_file_location("crowd", Path(__file__).with_name("crowd.py"))
crowd = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(crowd)

MOST = int(os.environ.get("ROOTCELLAR_TEST_CALLS", "1"))
"""Which calls of a kind are hit, from the first one on. All of them are about 12."""
CALLS = ("link", "rename", "unlink", "flock", "fallocate", "ftruncate", "utimensat", "pwrite64")
FAULTS = {"killed": "signal=SIGKILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}

STAGE_IN = """
    try:
        cache = opened(wait_seconds=0.0)
        with StagingSession(stores, cache, run_uid="run") as session:
            for key in "ab":
                found = session.locate(f"raw://{key}", "file")
                staged = session.stage_in(found, argument=key, name=key)
                assert Digest.of(staged.path.read_bytes()) == staged.digest
        finish_removals()
        cache.evictor.evict_to(1000)
    except CacheUnusable as error:
        print("refused")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_leaves_a_cache_that_recovers(put, tmp_path, files_below, call, fault):
    """It dies or says so, and the next process finds whole entries and no residue."""
    for key in "ab":
        put(key, key.encode() * 1000)
    script = textwrap.dedent(crowd.PREAMBLE) + textwrap.dedent(STAGE_IN)
    for number in range(1, MOST + 1):
        done = subprocess.run(
            [
                *("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"),
                *("-e", f"inject={call}:{fault}:when={number}"),
                *(sys.executable, "-c", script, str(tmp_path)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if "ptrace" in done.stderr:
            pytest.skip("tracing is not permitted")

        assert "Traceback" not in done.stderr, done.stderr
        cache = Cache(tmp_path / "cache")
        sweep(cache)
        cache.sweep()
        cache.evictor.count()
        left = {name.partition("/")[0] for name in files_below(cache.root)}
        assert left <= {"cas", "sources"}
        for entry in cache.entries.walk():
            content = Path(cache.entries.path(entry.digest)).read_bytes()
            assert Digest.of(content) == entry.digest
