"""Which request of many a fault is done to."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rootcellar.testing.faults import Fault, Match
    from rootcellar.testing.proxied import ProxiedRequest

__all__ = ["Rules", "always", "at_random"]


class _Rule:
    """Faults for some requests."""

    def __init__(self, when: Match, times: int | None, draw: Callable[[], Fault | None]) -> None:
        self._when = when
        self._times = times
        self._draw = draw
        self._seen = 0

    def next(self, request: ProxiedRequest) -> Fault | None:
        """Count a request if it is one of these, and return the fault it is due."""
        if self._times == 0 or not self._when.fits(request):
            return None
        self._seen += 1
        if self._seen < self._when.nth:
            return None
        fault = self._draw()
        if fault is not None and self._times is not None:
            self._times -= 1
        return fault


class Rules:
    """All rules of a proxy; for several threads."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(self, when: Match, times: int | None, draw: Callable[[], Fault | None]) -> None:
        """Add a rule after the others."""
        with self._lock:
            self._rules.append(_Rule(when, times, draw))

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._rules.clear()

    def due(self, request: ProxiedRequest) -> Fault | None:
        """Return the fault that a request is due: that of the first rule that has one for it."""
        with self._lock:
            return next((f for rule in self._rules if (f := rule.next(request))), None)


def always(fault: Fault) -> Callable[[], Fault]:
    """Return what gives one fault each time."""
    return lambda: fault


def at_random(faults: Sequence[Fault], rate: float, seed: int) -> Callable[[], Fault | None]:
    """Return what gives one of some faults in `rate` of all cases, the same with each run."""
    drawn = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    return lambda: drawn.choice(faults) if drawn.random() < rate else None
