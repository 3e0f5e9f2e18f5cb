from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rootcellar.cli import wording


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=5.4), "5 s"),
        (timedelta(seconds=59.9), "60 s"),
        (timedelta(minutes=3, seconds=59), "3 min"),
        (timedelta(hours=2, minutes=59), "2 h"),
        (timedelta(days=6, hours=23), "6 d"),
    ],
)
def test_age(passed: timedelta, expected: str) -> None:
    """Whole units that have passed."""
    assert wording.age(datetime.now(UTC) - passed) == expected


@pytest.mark.parametrize("days", [-1, 7, 400])
def test_age_is_a_day_where_no_unit_helps(days: int) -> None:
    """After a week, and in the future of a clock that is ahead."""
    then = datetime.now(UTC) - timedelta(days=days)

    assert wording.age(then) == f"{then.astimezone():%Y-%m-%d}"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, ""),
        (0.0404, "40 ms"),
        (1.44, "1.4 s"),
        (12.4, "12 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds: float | None, expected: str) -> None:
    """Two units at most."""
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (5 * 10**11, "500.0 GB")],
)
def test_size(size_bytes: int, expected: str) -> None:
    """Steps of a thousand, never `1000.0`."""
    assert wording.size(size_bytes) == expected


def test_count() -> None:
    """One is one."""
    assert [wording.count(n, "row") for n in (0, 1, 8760)] == ["0 rows", "1 row", "8 760 rows"]


def test_artifact_is_spelled_as_it_is_typed() -> None:
    """Copy a cell of a table and paste it behind a command."""
    assert wording.artifact("report", {"side": "north", "final": True, "scale": 1.0}) == (
        "report side=north final=true scale=1.0"
    )
