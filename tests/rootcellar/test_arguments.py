"""arguments: what the catalog keeps of a call."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from grid_words import Words
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.arguments import arguments_digest, recordable


@pytest.mark.parametrize(
    "name",
    [
        "pass",
        "password",
        "db_password",
        "passwd",
        "passphrase",
        "api_token",
        "SECRET",
        "apikey",
        "api_key",
        "private_key",
        "access_key",
        "credentials",
        "client_secret",
    ],
)
def test_secrets_are_left_out(name):
    """A value under a name like that is a row of stars, however deep it lies."""
    assert recordable("x", name=name) == "***"
    assert recordable({"inner": [{name: "x"}]}) == {"inner": [{name: "***"}]}


@pytest.mark.parametrize("name", ["key", "station", "passes", "compass", "monkey", "tokenizer"])
def test_other_names_are_kept(name):
    """What only looks a little like a secret is kept."""
    assert recordable("x", name=name) == "x"


def test_long_values_are_cut_and_say_so():
    """A row stays small whatever is passed."""
    text = recordable("x" * 5_000)
    items = recordable(list(range(5_000)))

    assert text.endswith("5000 characters")
    assert len(text) < 2_100
    assert items[-1] == "… 5000 in all"
    assert len(items) == 1_001


def test_artifacts_are_kept_as_they_travel():
    """An artifact is its type and key."""
    assert recordable(Words(page=3)) == {"$type": "words", "key": {"page": 3}}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_becomes_json(value):
    """Whatever is passed, the row is JSON without NaN."""
    assert json.dumps(recordable(value), allow_nan=False)


def test_digest_is_of_the_whole():
    """What is cut or hidden in the record still counts in the digest."""
    first, second = ({"token": f"{'x' * 5_000}{n}", "n": 1} for n in (1, 2))

    assert arguments_digest(first) != arguments_digest(second)
    assert arguments_digest({"a": 1, "b": 2}) == arguments_digest({"b": 2, "a": 1})


def test_digest_of_values_without_json():
    """Sets and times have a digest that does not depend on their order in memory."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)

    assert arguments_digest({"a": {"x", "y"}, "t": moment}) == arguments_digest(
        {"t": moment, "a": {"y", "x"}}
    )
