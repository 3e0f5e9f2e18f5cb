"""Progress of transfers: a bar on a terminal, a line now and then in a worker, or nothing."""

from __future__ import annotations

import logging
import math
import re
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

__all__ = ["Mode", "Reporter", "reporter"]

Mode = Literal["auto", "bar", "log", "off"]

_BAR_SECONDS = 2.0
_FIRST_LINE_SECONDS = 5.0
_LINE_SECONDS = 30.0
_TICK_SECONDS = 0.5
_MEMORY_SECONDS = 10.0

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{4}([0-9a-f]{8})")
"""A uid, whose end tells it from others, as tables of the command line show it."""

_log = logging.getLogger("rootcellar.progress")


class Reporter(Protocol):
    """Is told what is transferred. Safe for threads; never the reason why a transfer fails.

    The same reporter may be started again when it is finished. What is quick is not reported.
    """

    def start(self, label: str, total_bytes: int | None) -> None:
        """Begin. None for `total_bytes` if nobody knows."""

    def advance(self, bytes: int) -> None:  # noqa: A002  the word of the staging room's protocol
        """Add what was transferred since the last call. Negative if it must be done again."""

    def expect(self, bytes: int) -> None:  # noqa: A002  as above
        """Add to the total what turns out to be needed; negative for what is here already."""

    def finish(self) -> None:
        """End, whether all was transferred or not. Safe to repeat."""


def reporter(mode: Mode = "auto", clock: Callable[[], float] = time.monotonic) -> Reporter:
    """Return a reporter.

    Args:
        mode: `auto` is a bar if standard error is a terminal, else lines in the log.
        clock: Seconds that only grow.
    """
    if mode == "off":
        return _Silent()
    terminal = sys.stderr is not None and sys.stderr.isatty()  # a windowed process has none
    if mode == "bar" or (mode == "auto" and terminal):
        return _Bar(clock)
    return _Lines(clock)


@dataclass(slots=True)
class _Transfer:
    """What was transferred so far, and how fast it goes of late."""

    label: str
    total_bytes: int | None
    began: float
    done_bytes: int = 0
    said: float | None = None
    rate: float = 0.0
    _tick: float = 0.0
    _tick_bytes: int = 0

    def advance(self, size_bytes: int, now: float) -> None:
        self.done_bytes += size_bytes
        self._tick_bytes += size_bytes
        passed = now - (self._tick or self.began)
        if passed < _TICK_SECONDS:
            return
        # What must be done again is no speed; and the first look weighs as much as it lasted.
        recent = max(0.0, self._tick_bytes / passed)
        age = now - self.began
        weight = 1 - math.exp(-passed / min(_MEMORY_SECONDS, age))
        self.rate = recent if not self._tick else self.rate + weight * (recent - self.rate)
        self._tick, self._tick_bytes = now, 0

    def expect(self, size_bytes: int) -> None:
        self.total_bytes = max(0, (self.total_bytes or 0) + size_bytes)

    def line(self, now: float) -> str:
        return f"{self.label}: {self.amounts(now)}"

    def amounts(self, now: float) -> str:
        seconds = now - self.began
        rate = self.rate
        parts = [f"{_size(self.done_bytes)} in {_span(seconds)}", f"{_size(rate)}/s"]
        if self.total_bytes is not None:
            parts[0] = f"{_size(self.done_bytes)} of {_size(self.total_bytes)}"
            if self.total_bytes > 0:
                parts[0] += f" ({100 * self.done_bytes // self.total_bytes}%)"
            if rate > 0 and self.total_bytes > self.done_bytes:
                parts.append(f"{_span((self.total_bytes - self.done_bytes) / rate)} left")
        return ", ".join(parts)


class _Silent:
    def start(self, label: str, total_bytes: int | None) -> None:
        pass

    def advance(self, bytes: int) -> None:  # noqa: A002  the protocol's word
        pass

    def expect(self, bytes: int) -> None:  # noqa: A002  the protocol's word
        pass

    def finish(self) -> None:
        pass


class _Lines:
    """Logs a line after five seconds, then every thirty, and the sum if it said anything."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._transfer: _Transfer | None = None

    def start(self, label: str, total_bytes: int | None) -> None:
        with self._mutex:
            self._transfer = _Transfer(label, total_bytes, began=self._clock())

    def advance(self, bytes: int) -> None:  # noqa: A002  the protocol's word
        with self._mutex:
            transfer = self._transfer
            if transfer is None:
                return
            now = self._clock()
            transfer.advance(bytes, now)
            due = (
                transfer.began + _FIRST_LINE_SECONDS
                if transfer.said is None
                else transfer.said + _LINE_SECONDS
            )
            if now < due:
                return
            transfer.said = now
            line = transfer.line(now)
        _log.info("%s", line)  # outside the mutex: a handler may be slow

    def expect(self, bytes: int) -> None:  # noqa: A002  the protocol's word
        with self._mutex:
            if self._transfer is not None:
                self._transfer.expect(bytes)

    def finish(self) -> None:
        with self._mutex:
            transfer, self._transfer = self._transfer, None
        if transfer is None or transfer.said is None:
            return
        seconds = self._clock() - transfer.began
        rate = transfer.done_bytes / seconds if seconds > 0 else 0.0
        _log.info(
            "%s: %s in %s, %s/s",
            transfer.label,
            _size(transfer.done_bytes),
            _span(seconds),
            _size(rate),
        )


class _Bar:
    """Draws a bar on standard error, from the moment a transfer is no longer quick."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._transfer: _Transfer | None = None
        self._drawn: tuple[Progress, TaskID] | None = None

    def start(self, label: str, total_bytes: int | None) -> None:
        self.finish()
        with self._mutex:
            self._transfer = _Transfer(label, total_bytes, began=self._clock())

    def advance(self, bytes: int) -> None:  # noqa: A002  the protocol's word
        with self._mutex:
            transfer = self._transfer
            if transfer is None:
                return
            now = self._clock()
            transfer.advance(bytes, now)
            if self._drawn is None and now - transfer.began >= _BAR_SECONDS:
                self._drawn = self._draw(transfer)
            if self._drawn is not None:
                progress, task = self._drawn
                progress.update(
                    task,
                    completed=transfer.done_bytes,
                    total=transfer.total_bytes,
                    amounts=transfer.amounts(now),
                )

    def expect(self, bytes: int) -> None:  # noqa: A002  the protocol's word
        with self._mutex:
            if self._transfer is not None:
                self._transfer.expect(bytes)

    def finish(self) -> None:
        with self._mutex:
            drawn, self._drawn, self._transfer = self._drawn, None, None
        if drawn is not None:
            drawn[0].stop()

    def _draw(self, transfer: _Transfer) -> tuple[Progress, TaskID]:
        from rich.console import Console  # noqa: PLC0415  only who sees a bar pays for it
        from rich.markup import escape  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415
        from rich.table import Column  # noqa: PLC0415

        # One line of a narrow terminal: the bar gives way first, then the name.
        progress = Progress(
            TextColumn(
                "{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")
            ),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[amounts]}", table_column=Column(no_wrap=True)),
            console=Console(file=sys.stderr),
            transient=True,
            get_time=self._clock,
            expand=True,
        )
        progress.start()
        # An artifact prints with brackets, which rich would read as markup.
        label = escape(_UID.sub(r"\1", transfer.label))
        return progress, progress.add_task(label, total=transfer.total_bytes, amounts="")


def _size(count: float) -> str:
    """Return `1.5 GB`: decimal units, two or three digits."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":  # noqa: PLR2004  decimal units
            break
        count /= 1000
    digits = 0 if unit == "B" or abs(count) >= 100 else 1  # noqa: PLR2004  three digits will do
    return f"{count:.{digits}f} {unit}"


def _span(seconds: float) -> str:
    """Return `4.2 s`, `3 min 5 s` or `2 h 7 min`."""
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004  an hour
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
