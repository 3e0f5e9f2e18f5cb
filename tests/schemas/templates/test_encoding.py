"""Which texts may be values, and how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.templates.encoding import ENCODED_CHARACTERS, flaw_of, percent_encoded


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        (".", "it could climb out of its folder"),
        ("..", "it could climb out of its folder"),
        ("a/../b", "it could climb out of its folder"),
        ("a\\..", "it could climb out of its folder"),
        ("a" * 201, "it is longer than 200 bytes"),
        ("é" * 101, "it is longer than 200 bytes"),
        ("\udc80", "it holds a lone surrogate"),
        ("a\0", "it holds a control character or a line break"),
        ("a\x7f", "it holds a control character or a line break"),
        ("a\x9f", "it holds a control character or a line break"),
        ("a\u2029", "it holds a control character or a line break"),
        *((f"a{chr(code)}", "it holds a control for the direction of writing")
          for code in (0x61C, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069)),
        ("e\u0301", "it is not in Unicode NFC"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_flawed_text_is_refused(text, reason):
    """Each rule gives its reason and a remedy."""
    flaw = flaw_of(text)

    assert flaw is not None
    assert reason == flaw.reason
    assert flaw.remedy


@pytest.mark.parametrize(
    "text", ["a", "a" * 200, "é" * 100, "...", "a..b", "%2e%2e", "s3::zip", "/a"]
)
def test_other_texts_are_taken(text):
    """What can be encoded harmlessly is no flaw."""
    assert flaw_of(text) is None


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "-", "/", ".", "="]))
def test_encoded_text_shows_only_safe_characters(text, reserved):
    """The character that ends a field never stands bare in it."""
    encoded = percent_encoded(text, reserved)

    assert set(encoded) <= ENCODED_CHARACTERS - {reserved}
