"""Artifact: declared by a class, told apart by a typed key."""

import copy
import json
import pickle
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kombu.utils import json as kombu_json
from pydantic import BaseModel, Field, ValidationError

from rootcellar.schemas.artifact import Artifact, Selection
from rootcellar.schemas.errors import InvalidKey
from rootcellar.schemas.formats import File, Text

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


class Twin(Artifact, uri="raw://twin/{station}", format=File()):
    station: int


class Atlas(Artifact, uri="raw://atlas.dat", format=Text()):
    pass


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


ZONES = st.none() | st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
EVERY = st.fixed_dictionaries(
    {
        "n": st.integers(-(10**30), 10**30),
        "s": st.text("abc/ üß%", min_size=1, max_size=9),
        "b": st.booleans(),
        "f": st.floats(allow_nan=False, allow_infinity=False),
        "d": st.dates(),
        "t": st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES),  # noqa: DTZ001
        "u": st.uuids(),
        "r": st.sampled_from(Region),
        "lv": st.sampled_from(Level),
        "m": st.sampled_from(Mode),
        "c": st.sampled_from(["x", 3]),
    }
)


@given(EVERY)
def test_a_key_survives_a_message(fields):
    """Through JSON, through kombu's serializer, through a URI: the same artifact."""
    artifact = Every(**fields)

    message = kombu_json.loads(kombu_json.dumps(artifact))
    assert artifact == Every.from_key(json.loads(json.dumps(artifact.key, allow_nan=False)))
    assert {"$type": "every", "key": artifact.key} == message
    assert artifact == Every.from_key(message["key"])
    assert artifact == Every.parse(artifact.uri)
    assert artifact.key == Every.parse(artifact.uri).key


@given(EVERY)
def test_a_key_survives_a_call_by_fields(fields):
    """Field values that were sent as plain arguments come back as themselves."""
    arrived = kombu_json.loads(kombu_json.dumps({**fields, "m": fields["m"].value}))

    assert Every(**fields) == Every.from_key(arrived)


@given(EVERY, EVERY)
def test_equal_artifacts_are_one(one, other):
    """Equal artifacts have one key, one hash and one URI; different ones differ in all but hash."""
    first, second = Every(**one), Every(**other)

    assert (first == second) == (first.key == second.key) == (first.uri == second.uri)
    assert hash(first) == hash(Every(**one))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), ZONES)  # noqa: DTZ001
def test_equal_instants_are_equal_artifacts(moment, zone):
    """One instant told in two zones is one artifact: one key, one hash, one URI."""
    assume(zone is not None)
    here, there = (
        At(at=moment.replace(tzinfo=UTC)),
        At(at=moment.replace(tzinfo=UTC).astimezone(zone)),
    )

    assert here == there
    assert (hash(here), here.uri, here.key) == (hash(there), there.uri, there.key)
    assert UTC is there.at.tzinfo


def test_a_repeated_hour_has_two_artifacts():
    """The hour that a clock change repeats is two instants, and each equals itself in UTC."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Berlin")
    first = At(at=datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=0))
    second = At(at=datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=1))

    assert first != second
    assert first == At(at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))


def test_a_time_beyond_utc_is_refused():
    """The first hours of year 1 have no UTC in some zones."""
    with pytest.raises(InvalidKey, match="outside the years"):
        At(at=datetime(1, 1, 1, tzinfo=HOUR))


def test_minus_zero_is_zero():
    """Equal floats are one artifact."""
    assert "{'part': 0.0, 'tilt': 30}" == str(Share(part=-0.0).key)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (Weather, {"station": True}),
        (Weather, {"station": "1"}),
        (Weather, {"station": 1.0}),
        (Weather, {"station": None}),
        (Weather, {"station": 10**5000}),
        (Weather, {"station": [10**5000]}),
        (Weather, {}),
        (Weather, {"station": 1, "extra": 2}),
        (Weather, {"station": 1, "self": 2}),
        (Report, {"run": ".."}),
        (Report, {"run": ""}),
        (Report, {"run": "a\n"}),
        (Report, {"run": "a" * 201}),
        (Report, {"run": 10**5000}),
        (At, {"at": "2026-01-31"}),
        (At, {"at": "1577836800"}),
        (At, {"at": 1577836800}),
        (At, {"at": "yesterday, about noon"}),
        (Share, {"part": float("nan")}),
        (Share, {"part": 10**400}),
        (Share, {"part": True}),
        (Small, {"n": 10}),
        (Small, {"n": -1}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "-".join(value),
)
def test_a_wrong_key_is_refused(kind, key):
    """Ill-typed, hostile, missing or unknown: InvalidKey names type, template and remedy."""
    with pytest.raises(InvalidKey) as caught:
        kind.from_key(key)

    assert (kind.type_name, kind.declaration.template.text) == (
        caught.value.artifact,
        caught.value.uri,
    )
    assert caught.value.remedy
    assert len(str(caught.value)) < 400


def test_a_refusal_reads_well():
    """Type, template, field, rule, value, remedy."""
    with pytest.raises(InvalidKey) as caught:
        Weather(station="3")

    assert str(caught.value) == (
        "weather at raw://weather/{station:02d}.dat: key field 'station': input should be a valid "
        "integer, not '3'. The key fields are station."
    )


@pytest.mark.parametrize(
    "key", [3, {"station": 3}, MappingProxyType({"station": 3}), Weather(station=3)]
)
def test_what_a_caller_may_pass(key):
    """A bare value of the only field, a mapping, or the artifact."""
    assert Weather(station=3) == Weather.from_key(key)


@pytest.mark.parametrize("key", [Twin(station=3), [3], None, Weather])
def test_what_a_caller_may_not_pass(key):
    """An artifact of another type is no key, though its fields be the same."""
    with pytest.raises(InvalidKey):
        Weather.from_key(key)


def test_a_bare_value_needs_a_single_field():
    """The remedy names the fields."""
    with pytest.raises(InvalidKey, match=r"3 is no key of this type\. .*: part, tilt"):
        Share.from_key(3)


def test_a_type_without_key_has_one_member():
    """It is passed as `{}` or as itself; anything else is told so."""
    assert Atlas() == Atlas.from_key({}) == Atlas.from_key(Atlas())
    assert ({}, "raw://atlas.dat") == (Atlas().key, Atlas().uri)
    assert Selection(Atlas, {}) == Atlas.where()
    with pytest.raises(InvalidKey, match=r"pass \{\} or Atlas\(\)"):
        Atlas.from_key(3)
    with pytest.raises(InvalidKey, match="The key fields are none"):
        Atlas.where(station=1)


def test_types_do_not_mix():
    """Equal keys of two types are two artifacts."""
    assert Weather(station=3) != Twin(station=3)
    assert 2 == len({Weather(station=3), Twin(station=3), Weather(station=3)})


def test_a_text_is_kept_as_a_plain_text():
    """A StrEnum's member is a text, and what it is equal to."""
    assert str is type(Report(run=Region.NORTH).run)
    assert Report(run="north") == Report(run=Region.NORTH)


def test_a_default_is_part_of_the_key():
    """Left out or passed, it is the same artifact."""
    assert {"part": 1.0, "tilt": 30} == Share(part=1).key == Share.from_key({"part": 1.0}).key


@pytest.mark.parametrize(
    "journey", [lambda a: pickle.loads(pickle.dumps(a)), copy.copy, copy.deepcopy]
)
def test_an_artifact_is_a_value(journey):
    """Frozen, and itself after pickling and copying."""
    artifact = Weather(station=3)

    assert artifact == journey(artifact)
    with pytest.raises(ValidationError):
        artifact.station = 4
    with pytest.raises(TypeError):
        Weather(3)


def test_pydantic_makes_no_unchecked_artifact():
    """Neither `model_copy` nor `model_construct` goes around the checks."""
    assert Share(part=1.0, tilt=5) == Share(part=1.0).model_copy(update={"tilt": 5})
    assert Weather(station=3) == Weather(station=3).model_copy(deep=True)
    assert Weather(station=3) == Weather.model_construct(station=3)
    with pytest.raises(InvalidKey):
        Weather(station=3).model_copy(update={"station": "../.."})
    with pytest.raises(InvalidKey):
        Weather.model_construct(station="../..")


def test_an_artifact_can_be_a_field():
    """Of another model, as an instance or as its JSON."""

    class Holder(BaseModel):
        weather: Weather

    holder = Holder(weather=Weather(station=3))
    assert holder == Holder.model_validate_json(holder.model_dump_json())
    with pytest.raises(ValidationError, match="valid integer"):
        Holder(weather={"station": True})


def test_a_version_stands_in_the_uri():
    """Left open in `uri`, filled by `uri_for`; a key that looks like it does not meet it."""
    report = Report(run="{version}")

    assert "out://%7Bversion%7D/{version}/report.txt" == report.uri
    assert "out://%7Bversion%7D/v-1/report.txt" == report.uri_for("v-1")
    assert report == Report.parse(report.uri_for("v-1"))
    assert Weather(station=3).uri == Weather(station=3).uri_for("v-1")
    with pytest.raises(InvalidKey, match=r"report at .*version uid"):
        report.uri_for("../x")


def test_an_artifact_leaves_room_for_a_version():
    """A key is refused where its URI with a whole version would be too long, before any run."""

    class Long(Artifact, uri="raw://" + "x" * 640 + "/{s}/{version}", format=Text()):
        s: str

    assert Long(s="a" * 200)
    with pytest.raises(InvalidKey, match="bytes long"):
        Long.from_key("ü" * 80)


def test_another_uri_does_not_parse():
    """The error names the type, the template and the URI."""
    with pytest.raises(InvalidKey, match="does not render this URI") as caught:
        Weather.parse("raw://weather/3.dat")

    assert ("weather", "raw://weather/3.dat") == (caught.value.artifact, caught.value.uri)


def test_an_artifact_prints_as_its_call():
    """As one would write it."""
    assert "Share(part=1.0, tilt=30)" == str(Share(part=1)) == repr(Share(part=1))


def test_misspelt_field_is_named():
    """A field too many says more than the one that is then missing."""
    with pytest.raises(InvalidKey, match="key field 'statoin': there is no such field"):
        Weather(statoin=3)


def test_uri_is_not_taken_for_a_key():
    """A URI of the type where a key belongs is told from a name."""

    class Note(Artifact, uri="raw://notes/{name}.txt", format=Text()):
        name: str

    with pytest.raises(InvalidKey, match=r"is a URI, not a key.*parse\(uri\)"):
        Note.from_key("raw://notes/a.txt")
    assert Note.from_key("a") == Note.parse("raw://notes/a.txt")
