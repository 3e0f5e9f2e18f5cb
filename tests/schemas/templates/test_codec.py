"""Codecs: exact types, canonical texts, and messages that never show too much."""

import enum
import uuid
from datetime import date, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.templates.codec import IntCodec, KeyField, Place, VersionCodec
from rootcellar.schemas.templates.fieldtype import codec_for
from rootcellar.schemas.templates.shape import continuing, fixed_width

FIELD = KeyField("x", "raw://{x}")


class Color(enum.StrEnum):
    RED = "red"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()


VALUES = {
    int: 1,
    str: "1",
    bool: True,
    float: 1.0,
    date: date(2026, 1, 1),
    datetime: datetime(2026, 1, 1),  # noqa: DTZ001 - naive times are values too
    uuid.UUID: uuid.UUID(int=1),
    Color: Color.RED,
    Access: Access.READ,
    Literal["red", 1]: "red",
}
OTHERS = [*VALUES.values(), Text("1"), Text("red"), b"1", None, "true", Access(3), 0]


@pytest.mark.parametrize("kind", VALUES, ids=str)
def test_only_exactly_the_declared_type_is_taken(kind):
    """`True`, `1`, `1.0` and `"1"` never stand for each other, nor does a subclass."""
    codec = codec_for(FIELD, kind, [""])
    taken = []

    for value in OTHERS:
        try:
            codec.encode(value, Place())
        except InvalidKey:
            continue
        taken.append(value)

    expected = {
        int: [1, 0],
        str: ["1", "red", "true"],
        Literal["red", 1]: [1, "red"],
    }.get(kind, [VALUES[kind]])
    assert [(type(v), v) for v in expected] == [(type(v), v) for v in taken]


@pytest.mark.parametrize("kind", VALUES, ids=str)
def test_every_text_lies_within_its_shape(kind):
    """What a codec renders uses the characters and the width its shape promises."""
    codec = codec_for(FIELD, kind, [""])

    text = codec.encode(VALUES[kind], Place())

    shape = codec.shape(Place())
    assert set(text[1:]) <= continuing(shape)
    assert fixed_width(shape) in {None, len(text)}
    assert VALUES[kind] == codec.decode({"": text})


@given(st.integers(-(10**6), 10**6), st.integers(1, 5))
def test_an_int_has_at_least_the_digits_asked_for(value, width):
    """Padding counts the sign, as in Python's own formatting, and loses nothing."""
    text = IntCodec(FIELD).encode(value, Place(f"0{width}d"))

    assert max(width, len(str(value))) == len(text)
    assert value == int(text)


@pytest.mark.parametrize("value", [10**200, -(10**5000)], ids=["positive", "negative"])
def test_an_int_of_many_digits_is_refused(value):
    """Python's own limit on printing integers is never met."""
    with pytest.raises(InvalidKey, match="an integer of many digits: it has too many digits"):
        IntCodec(FIELD).encode(value, Place())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_is_finite(value):
    """NaN equals nothing, so that it cannot be a key."""
    with pytest.raises(InvalidKey, match="not a finite number"):
        codec_for(FIELD, float, [""]).encode(value, Place())


class Loud:
    def __repr__(self):
        raise AssertionError("nobody may print a value of an unknown type")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\n" * 300, "'" + r"\n" * 38 + "..."),
        (Loud(), "this Loud"),
        (b"secret", "this bytes"),
        (None, "None"),
        (True, "True"),
        (10**70, "an integer of many digits"),
        (10**20, "1" + "0" * 20),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_shows_little_of_the_value(value, shown):
    """At most 80 characters, escaped; of unknown types only the name."""
    error = FIELD.refused(value, "reason", "Remedy")

    problem = f"field 'x' cannot be {shown}: reason"
    assert problem == error.problem
    assert len(problem) <= 80 + len("field 'x' cannot be : reason")
    assert str(error) == f"raw://{{x}}: {problem}. Remedy."


def test_a_choice_names_what_could_be_passed():
    """The remedy lists the choices."""
    codec = codec_for(FIELD, Literal["a", "b"], [""])

    with pytest.raises(InvalidKey, match=r"'c': it is none of its values\. Pass one of 'a', 'b'"):
        codec.encode("c", Place())


def test_a_version_has_no_format():
    """`{version:…}` is refused where it is declared."""
    with pytest.raises(DeclarationError, match="cannot be formatted with '02d'"):
        VersionCodec.of(FIELD, ["", "02d"])
