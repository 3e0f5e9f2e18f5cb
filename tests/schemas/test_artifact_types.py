"""Artifact types: what a class can be asked, and how one builds on another."""

import json
import uuid
from datetime import date, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, field_validator

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.formats import File, Folder, Text

HOUR = timezone(timedelta(hours=1))


class Region(StrEnum):
    NORTH = "north"
    SOUTH = "south"


class Level(IntEnum):
    LOW = 1


class Mode(Enum):
    A = "a"
    ONE = 1


class Weather(Artifact, uri="raw://weather/{station:02d}.dat", format=Text()):
    """Hourly weather.

    Of one station.
    """

    station: int


class Report(Artifact, uri="out://{run}/{version}/report.txt", format=Text()):
    run: str


class At(Artifact, uri="out://at/{at}.txt", format=Text()):
    at: datetime


class Share(Artifact, uri="out://share/{part}/{tilt}.txt", format=Text()):
    part: float
    tilt: int = 30


class Small(Artifact, uri="out://small/{n}", format=Text()):
    n: Annotated[int, Field(ge=0)] = Field(lt=10)


class Every(Artifact, uri="out://{n}/{s}/{b}/{f}/{d}/{t}/{u}/{r}/{lv}/{m}/{c}.bin", format=File()):
    n: int
    s: str
    b: bool
    f: float
    d: date
    t: datetime
    u: uuid.UUID
    r: Region
    lv: Level
    m: Mode
    c: Literal["x", 3]


@pytest.mark.parametrize(
    ("selection", "where"),
    [
        (Weather.where(station=3), {"station": (3,)}),
        (Weather.where(station=range(3)), {"station": (0, 1, 2)}),
        (Weather.where(station=[2, 1, 2]), {"station": (2, 1)}),
        (Weather.where(station=[]), {"station": ()}),
        (Weather.where(), {}),
        (Share.where(part={1}), {"part": (1.0,)}),
        (Share.where(part=-0.0), {"part": (0.0,)}),
        (At.where(at=datetime(2026, 1, 1, 1, tzinfo=HOUR)), {"at": ("2026-01-01T00:00:00Z",)}),
        (Every.where(r=["north", Region.SOUTH]), {"r": ("north", "south")}),
        (Every.where(d="2026-01-31"), {"d": ("2026-01-31",)}),
    ],
)  # fmt: skip
def test_a_selection_is_checked(selection, where):
    """Its values are JSON values in the form that keys have, each once, in order."""
    assert where == selection.where
    assert str(selection.where) == str(where)
    message = json.loads(json.dumps(selection.__json__()))
    assert selection == selection.type.where(**message["where"])
    assert {"$type", "where"} == message.keys()


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (Weather, {"station": ["x"]}),
        (Weather, {"station": [True]}),
        (Weather, {"tilt": 1}),
        (Weather, {"cls": 1}),
        (Weather, {"self": 1}),
        (Small, {"n": 10}),
        (Report, {"run": ".."}),
        (Share, {"part": float("inf")}),
    ],
)
def test_a_selection_of_nothing_possible_is_refused(kind, where):
    """A value that no artifact could have names nothing for ever."""
    with pytest.raises(InvalidKey) as caught:
        kind.where(**where)

    assert kind.type_name == caught.value.artifact
    assert next(iter(where)) in caught.value.problem


def test_a_type_describes_itself():
    """All that makes two revisions differ, as JSON."""
    assert {
        "uri": "out://share/{part}/{tilt}.txt",
        "key": {"part": "float", "tilt": "int = 30"},
        "format": {"name": "Text", "media_type": "text/plain", **Text().definition()},
        "documentation": "",
    } == Share.definition()
    assert "Hourly weather.\n\nOf one station." == Weather.definition()["documentation"]
    assert json.loads(json.dumps(Every.definition())) == Every.definition()


def test_a_fingerprint_leaves_documentation_out():
    """A corrected docstring makes no file stale; a changed key, format or URI does."""

    def kind(documentation="", default=30, uri="raw://x/{n}/{r}", content=File()):  # noqa: B008
        annotations = {"n": int, "r": Region, "__doc__": documentation}
        body = {"__annotations__": annotations, "__doc__": documentation, "n": default}
        body["__annotations__"].pop("__doc__")
        return type(Artifact)("X", (Artifact,), body, uri=uri, format=content)

    assert kind().fingerprint() == kind("Other words.").fingerprint()
    assert kind("a").definition() != kind("b").definition()
    others = [kind(default=31), kind(uri="raw://y/{n}/{r}"), kind(content=Folder())]
    assert 4 == len({kind().fingerprint(), *(other.fingerprint() for other in others)})


def test_types_share_fields_through_a_class_above():
    """A class without keywords declares no type, gives fields and methods, and has no members."""

    class PerStation(Artifact):
        station: int
        unit: ClassVar[str] = "MW"

        def label(self):
            return f"station {self.station}"

    class Wind(PerStation, uri="raw://wind/{station}/{hub}", format=Text()):
        hub: int
        unit: ClassVar[str] = "kW"

    assert ("", "wind") == (PerStation.type_name, Wind.type_name)
    assert {"station": 1, "hub": 2} == Wind(station=1, hub=2).key
    assert "station 1" == Wind(station=1, hub=2).label()
    for nothing in (PerStation, Artifact):
        with pytest.raises(DeclarationError, match="declares no artifact type"):
            nothing(station=1)


def test_a_declared_type_can_be_extended():
    """With a URI of its own it is another type, and its members no members of the first."""

    class Forecast(Weather, uri="raw://forecast/{station}/{day}", format=Text(), name="outlook"):
        day: date

    forecast = Forecast(station=1, day=date(2026, 1, 31))
    assert "outlook" == Forecast.type_name
    assert ("weather", {"station": 1}) == (Weather.type_name, Weather(station=1).key)
    with pytest.raises(InvalidKey):
        Weather.from_key(forecast)


def test_a_validator_of_a_type_is_heard():
    """Its refusal is an InvalidKey like any other."""

    class Even(Artifact, uri="raw://even/{n}", format=Text()):
        n: int

        @field_validator("n")
        @classmethod
        def _even(cls, n):
            if n % 2:
                raise ValueError("odd")
            return n

    assert Even(n=2) == Even.parse("raw://even/2")
    with pytest.raises(InvalidKey, match="odd, not 3"):
        Even(n=3)
