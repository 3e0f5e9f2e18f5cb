"""limits: a soft time limit waits while a run is committed, and an end is told once."""

from __future__ import annotations

import signal
import threading

import pytest

from rootcellar.limits import leave_undisturbed, soft_limit_held


class Limit(Exception):  # noqa: N818
    """What billiard raises from its handler."""


@pytest.fixture(autouse=True)
def _limit():
    def strike(_signum, _frame):
        raise Limit

    before = signal.signal(signal.SIGUSR1, strike)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_limit_is_dropped_when_the_work_is_done():
    """Published and recorded is a success, late or not."""
    with soft_limit_held():
        signal.raise_signal(signal.SIGUSR1)

    with pytest.raises(Limit):
        signal.raise_signal(signal.SIGUSR1)


def test_limit_strikes_after_work_that_failed():
    """A commit that fails after the limit has not succeeded in time."""

    def fail_late():
        with soft_limit_held():
            signal.raise_signal(signal.SIGUSR1)
            raise OSError("failed")

    with pytest.raises(Limit):
        fail_late()


def test_error_without_a_limit_passes():
    """Without a limit the block's own error is what is seen."""
    with pytest.raises(OSError, match="failed"), soft_limit_held():
        raise OSError("failed")


def test_other_threads_are_let_be():
    """There are no soft limits outside the main thread, and no handlers to change."""
    done = []

    def work():
        with soft_limit_held():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == [True]


def test_a_limit_between_two_commits_strikes():
    """What is held back is held for one commit, and nothing of it is left for the next."""
    with soft_limit_held():
        signal.raise_signal(signal.SIGUSR1)
    with pytest.raises(OSError, match="failed"), soft_limit_held():
        raise OSError("failed")

    with pytest.raises(Limit):
        signal.raise_signal(signal.SIGUSR1)


def test_a_handler_that_was_set_since_is_held_too():
    """Who sets another handler after a commit is served like the first."""
    struck = []
    with soft_limit_held():
        pass
    signal.signal(signal.SIGUSR1, lambda *_: struck.append(True))

    with soft_limit_held():
        signal.raise_signal(signal.SIGUSR1)
        held = list(struck)
    signal.raise_signal(signal.SIGUSR1)

    assert ([], [True]) == (held, struck)


@pytest.fixture
def ending():
    """What the signal that ends a child does, put back as it was."""
    before = signal.getsignal(signal.SIGTERM)
    yield lambda: signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_child_that_was_told_to_end_is_not_told_again(ending, number):
    """The second signal would strike while the child holds the lock of its pool's queue."""
    usual = signal.getsignal(number)
    leave_undisturbed(SystemExit(-(256 - number)))
    ignored = signal.signal(number, usual)

    assert ignored == signal.SIG_IGN


@pytest.mark.parametrize("error", [SystemExit(1), SystemExit(), SystemExit("no"), OSError(15)])
def test_who_was_not_told_can_be_told(ending, error):
    """A body that ends its process, or fails, leaves it as it was."""
    before = ending()
    leave_undisturbed(error)

    assert ending() == before
