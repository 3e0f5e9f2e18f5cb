"""Amounts of disk as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.amount import Amount, spelled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200 GB", 200 * 10**9),
        ("1.5TB", 1_500_000_000_000),
        ("64 MiB", 64 * 2**20),
        ("7 kb", 7000),
        ("12 B", 12),
        ("4096", 4096),
        (4096, 4096),
        ("80%", 800),
        ("100 %", 1000),
        ("0%", 0),
    ],
)
def test_an_amount_is_bytes_or_a_share(text, expected):
    """Units of thousands and of 1024s, bare bytes, and shares of a disk, here of 1000 bytes."""
    assert expected == Amount.parse(text).of(1000)


@pytest.mark.parametrize(
    "text", ["", "GB", "-1 GB", "1 XB", "101%", "1 i b", "1e9", "80% GB", "ib"]
)
def test_what_is_no_amount_is_refused(text):
    """With an example of how to write it, or the reason."""
    with pytest.raises(ValueError, match=r"write '200 GB'|more than the whole disk"):
        Amount.parse(text)


@given(st.integers(min_value=0, max_value=10**18))
def test_spelled_amounts_are_short_and_near(size_bytes):
    """What messages say can be read back and is off by a twentieth at most."""
    read = Amount.parse(spelled(size_bytes)).size_bytes

    assert len(spelled(size_bytes)) <= 9
    assert abs(read - size_bytes) <= max(size_bytes / 20, 0)
