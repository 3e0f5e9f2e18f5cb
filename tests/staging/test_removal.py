"""What is removed later is removed, whatever happens to the thread that does it."""

from __future__ import annotations

import sys
import threading

import pytest

from rootcellar.staging.host.removal import finish_removals, remove_later


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_ends_the_thread_ends_no_other(wait_until):
    """The next one begins another thread, and nobody waits for the one that is gone."""
    remove_later(sys.exit)
    gone = [one for one in threading.enumerate() if one.name == "rootcellar-removal"]
    wait_until(lambda: not any(one.is_alive() for one in gone))
    finish_removals()
    done = threading.Event()
    remove_later(done.set)
    finish_removals()

    assert done.is_set()
