"""canonical: short texts of keys are those of the encoder, and so are their digests."""

from __future__ import annotations

import hashlib
import json

from hypothesis import example, given
from hypothesis import strategies as st

from rootcellar.catalog.canonical import (
    canonical_text,
    clean_json,
    key_text,
    short_digest,
    stored_text,
)

names = st.text(st.characters(exclude_categories=[]), max_size=8)
values = st.recursive(
    names | st.integers() | st.booleans() | st.none() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=4,
)


@given(values)
@example({"b": 1, "a": "x\x7f\u2028\0", "ä\n": True})
@example({"\0": 1, "\\x00": 2})
@example({1: "a", "1": 2})
@example("raw://b\udc80/ä\x7f")
def test_a_digest_is_that_of_sorted_json(value):
    """Whatever way it is written: rows of every earlier version are found by it."""
    text = json.dumps(clean_json(value), sort_keys=True, separators=(",", ":"))

    assert hashlib.sha256(text.encode()).digest()[:16] == short_digest(value)


@given(st.dictionaries(names, values, max_size=4))
@example({"b": 1, "a": "x\x7f\u2028\0", "ä\n": 2})
def test_a_key_is_json_in_the_order_it_was_given(key):
    """Readable, and the same text as ever."""
    expected = json.dumps(clean_json(key), ensure_ascii=False, separators=(",", ":"))

    assert expected == key_text(key)


@given(values)
@example({"b": 1, "a": "x\x7f\u2028\0", "ä\n": 2})
@example({"\0": 1, "\\x00": 2})
@example({1: "a", "1": 2})
def test_what_sqlite_stores_is_clean_canonical_json(value):
    """By the short way for flat mappings as by the encoder."""
    assert canonical_text(clean_json(value)) == stored_text(value)
