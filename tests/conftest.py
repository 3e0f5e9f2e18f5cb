"""For all tests."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from celery import _state
from celery.app import builtins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

assert builtins, "imported for the tasks that Celery gives to every app"
_CELERYS_OWN = frozenset(_state._on_app_finalizers)


@pytest.fixture(autouse=True)
def _tasks_stay_in_their_tests():
    """Celery gives the tasks of one app to every app that is finalized later in the process."""
    _state._on_app_finalizers.intersection_update(_CELERYS_OWN)
    yield
    _state._on_app_finalizers.intersection_update(_CELERYS_OWN)


class Striking:
    """Raises in a block where a signal handler may: after a call, or as a function begins."""

    class error(Exception):  # noqa: N801, N818
        """A soft time limit."""

    @contextmanager
    def __call__(self, step: int) -> Iterator[None]:
        """Raise at the step of that number, from 1; not at all if there are fewer."""
        left = step

        def strike(frame: FrameType, event: str, _: object) -> None:
            nonlocal left
            # In those two it would be swallowed.
            is_heard = frame.f_code.co_name not in {"__del__", "_remove"}
            if event not in {"call", "c_return"} or not is_heard:
                return
            left -= 1
            if left == 0:
                sys.setprofile(None)
                raise self.error

        sys.setprofile(strike)
        try:
            yield
        finally:
            sys.setprofile(None)


@pytest.fixture
def striking() -> Striking:
    """A soft time limit at a step of one's choice."""
    return Striking()
