"""Shown: a refused value in a message."""

import uuid
from datetime import date, datetime
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.shown import shown


class Region(Enum):
    NORTH = "north"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n", r"'a\n'"),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        pytest.param(10**5000, "an integer of many digits", id="long"),
        (Region.NORTH, "Region.NORTH"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12), "2026-01-31 12:00:00"),  # noqa: DTZ001
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([1], "this list"),
        ("x" * 100, f"'{'x' * 76}..."),
    ],
)
def test_plain_values_show_themselves(value, text):
    """Plain values appear, escaped and cut; others by their type only."""
    assert text == shown(value)


def test_a_path_of_this_host_is_not_shown():
    """Promise 9: no path of a host in an error."""
    assert "secret" not in shown(Path("/home/secret"))


@given(st.text() | st.integers() | st.floats() | st.binary())
def test_it_is_short_and_plain(value):
    """At most 80 characters of printable ASCII, whatever it is."""
    text = shown(value)

    assert len(text) <= 80
    assert text.isascii()
    assert text.isprintable()
