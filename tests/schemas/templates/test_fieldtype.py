"""Which annotations may be key fields."""

import enum
from datetime import time
from decimal import Decimal
from typing import Annotated, Literal, Optional

import pytest

from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.templates.codec import ChoiceCodec, IntCodec, KeyField
from rootcellar.schemas.templates.fieldtype import codec_for

FIELD = KeyField("x", "raw://{x}")


class Empty(enum.Enum):
    pass


class Mixed(enum.Enum):
    NUMBER = 1
    TEXT = "1"


class Tuples(enum.Enum):
    ONE = (1, 2)


class Climbing(enum.Enum):
    UP = ".."


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (bytes, "is of type bytes, which no URI can hold. Use int, str, bool, float, date, dat"),
        (Decimal, "type Decimal"),
        (time, "type time"),
        (list[int], r"type list\[int\]"),
        (Optional[int], "type .*Optional"),  # noqa: UP045 - the older spelling is another object
        (int | str, r"type int \| str"),
        (None, "type None"),
        (Literal[True], "the value True, which is neither str nor int"),
        (Literal["a", b"b"], "the value b'b', which is neither"),
        (Literal[1, "1"], "two values that render as '1'"),
        (Literal["a", ""], "the value '': it is empty"),
        (Empty, "is an Enum without members"),
        (Mixed, "two values that render as '1'"),
        (Tuples, r"the value \(1, 2\), which is neither"),
        (Climbing, r"the value '\.\.': it could climb out"),
    ],
    ids=str,
)
def test_other_annotations_are_refused(annotation, message):
    """The message names the field, the type and what is supported."""
    with pytest.raises(DeclarationError, match=f"raw://{{x}}: field 'x' .*{message}"):
        codec_for(FIELD, annotation, [""])


@pytest.mark.parametrize(
    ("annotation", "spec", "remedy"),
    [
        (int, "2d", "Use d, or 0 and a width"),
        (int, "00d", "Use d"),
        (int, "0100d", "Use d"),
        (int, "x", "Use d"),
        (int, "%Y", "Use d"),
        (str, "s", "Leave the format out"),
        (float, ".2f", "Leave the format out"),
        (bool, "d", "Leave the format out"),
        (Mixed, "d", "two values"),
    ],
)
def test_a_format_of_another_type_is_refused(annotation, spec, remedy):
    """Only ints, dates and datetimes are formatted."""
    with pytest.raises(DeclarationError, match=remedy):
        codec_for(FIELD, annotation, [spec])


def test_what_annotated_adds_is_left_out():
    """Limits of pydantic and the like are checked elsewhere."""
    assert codec_for(FIELD, Annotated[int, "positive"], ["03d"]) == IntCodec(FIELD)
    assert isinstance(codec_for(FIELD, Annotated[Literal["a"], 1], [""]), ChoiceCodec)
