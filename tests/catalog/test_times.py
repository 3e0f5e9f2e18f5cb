"""Times in questions: each is understood in whatever form it is given, or refused with a remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rootcellar.catalog.times import is_time, moment_of, span_of
from rootcellar.schemas.errors import CatalogError


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("5 min", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        (" 7d ", timedelta(days=7)),
        ("3w", timedelta(weeks=3)),
        ("7 days", None),
        ("-7d", None),
        ("2026-05-01", None),
    ],
)
def test_a_text_may_be_a_span(text, span):
    """A number and a unit; anything else is none."""
    assert span == span_of(text)


def test_a_span_in_words_is_one_until_now():
    """As the same timedelta is."""
    before = datetime.now(UTC)

    assert before <= moment_of("7d") + timedelta(days=7) <= datetime.now(UTC)


@pytest.mark.parametrize("span", ["9999999d", "99999999999999999999w", timedelta(days=999_999_999)])
def test_a_span_that_no_calendar_holds_is_refused(span):
    """In our words."""
    with pytest.raises(CatalogError, match="longer than any calendar"):
        moment_of(span)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("7d", True), ("2026-05-01", True), ("2026-05-01T12:00", True), ("fig3", False), ("", False)],
)
def test_times_are_told_from_names(text, answer):
    """By how they are written."""
    assert answer is is_time(text)


@pytest.mark.parametrize("when", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
@pytest.mark.parametrize("read", [str, datetime.fromisoformat])
def test_a_time_that_is_none_in_utc_is_refused(when, read):
    """Before the first year, or after the last."""
    with pytest.raises(CatalogError, match="beyond the calendar"):
        moment_of(read(when))
