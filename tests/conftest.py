"""For all tests."""

from __future__ import annotations

import pytest
from celery import _state
from celery.app import builtins

assert builtins, "imported for the tasks that Celery gives to every app"
_CELERYS_OWN = frozenset(_state._on_app_finalizers)


@pytest.fixture(autouse=True)
def _tasks_stay_in_their_tests():
    """Celery gives the tasks of one app to every app that is finalized later in the process."""
    _state._on_app_finalizers.intersection_update(_CELERYS_OWN)
    yield
    _state._on_app_finalizers.intersection_update(_CELERYS_OWN)
