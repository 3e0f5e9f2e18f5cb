"""Key values: one form in memory, one spelling in JSON, one text for each type."""

import uuid
from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from typing import Literal

import pytest

from rootcellar.schemas.keyvalue import from_json, type_text


class Region(Enum):
    NORTH = "north"


class Level(IntEnum):
    LOW = 1


UID = uuid.UUID(int=1)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (date, "2026-01-31", date(2026, 1, 31)),
        (datetime, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (uuid.UUID, str(UID), UID),
        (Region, "north", Region.NORTH),
        (Level, 1, Level.LOW),
        (float, 3, 3.0),
    ],
)
def test_json_spells_values(annotation, value, expected):
    """Each type has the spelling that `to_json` gives it."""
    assert expected == from_json(annotation, value)
    assert type(expected) is type(from_json(annotation, value))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (date, "31.1.2026"),
        (date, 1),
        (datetime, "2026-01-31"),
        (datetime, 1),
        (uuid.UUID, "x"),
        (Region, "east"),
        (Region, Region.NORTH),
        (Level, True),
        (Level, 2),
        (Level, "1"),
        (float, True),
        (float, 10**400),
        (float, "1"),
        (int, "1"),
        (int, 1.0),
        (str, 1),
        (str, None),
        (Literal["a"], "a"),
    ],
)
def test_nothing_else_is_converted(annotation, value):
    """Whatever is no spelling comes back as it is."""
    assert value is from_json(annotation, value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (datetime, "datetime"),
        (Literal["a", 3], "Literal['a', 3]"),
        (Region, "Region('north')"),
        (Level, "Level(1)"),
    ],
)
def test_a_type_has_a_text(annotation, text):
    """An Enum shows its values: one more of them is another revision of the type."""
    assert text == type_text(annotation)
