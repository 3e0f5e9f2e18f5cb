"""Binding: from the arguments of a call to the artifacts it reads and writes."""

import enum
import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from kombu.utils import json as kombu_json

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.binding import Wanted, bind
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import BindingError, InvalidKey
from rootcellar.schemas.formats import Text
from rootcellar.schemas.handle import OUTPUT, OUTPUTS
from rootcellar.schemas.interface import TaskInterface
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.schemas.registry import Registry


class Region(enum.StrEnum):
    NORTH = "north"


class Weather(Artifact, uri="raw://weather/{station:02d}.dat", format=Text()):
    station: int


class Pv(Artifact, uri="out://pv/{station}/{tilt}.txt", format=Text()):
    station: int
    tilt: int


class Report(Artifact, uri="out://report/{day}/{at}/{region}/{uid}/{part}.txt", format=Text()):
    day: date
    at: datetime
    region: Region
    uid: uuid.UUID
    part: float = 1.0


class Atlas(Artifact, uri="out://atlas.txt", format=Text()):
    pass


REGISTRY = Registry("grid")
REGISTRY.register(arguments=["weather", "reference"])(Weather)
REGISTRY.register(arguments=["pv", "other_pv"])(Pv)
REGISTRY.register(Report)
REGISTRY.register(Atlas)

THREE, FOUR = Weather(station=3), Weather(station=4)


def ref_to(artifact):
    version = "0198f2a0-0000-7000-8000-000000000001"
    return Ref(
        type=artifact.type_name,
        key=artifact.key,
        uri=artifact.uri_for(version),
        version=version,
        kind="file",
        digest=Digest.of(b"x"),
        size_bytes=1,
        pin=Pin(size_bytes=1),
    )


def one(weather, tilt=30, *, pv=OUTPUT): ...
def several(weather: list[Path], tilt=30, *, pv=OUTPUT): ...
def keyed(weather: dict[Weather, Path]): ...
def optional(weather: Path | None = None, station=None, *, pv: Path = OUTPUT, tilt=30): ...
def with_default(weather: Path = 3): ...
def two(weather, reference, tilt=30, *, pv=OUTPUT): ...
def report(day, at, region, uid, *, report=OUTPUT): ...
def report_of_part(day, at, region, uid, part, *, report=OUTPUT): ...
def atlas(atlas): ...
def atlases(atlas: list[Path]): ...
def by_name(weather, *rest, pv=OUTPUT, **options): ...
def members(weather, *, pv=OUTPUTS): ...
def clash(weather, tilt, *, pv=OUTPUT, other_pv=OUTPUT): ...
def strict(weather, /, tilt, *, pv=OUTPUT): ...


def bound(body, *args, **kwargs):
    return bind(TaskInterface.of(body, REGISTRY), args, kwargs)


def wanted(body, *args, **kwargs):
    return [w.artifact for w in bound(body, *args, **kwargs).inputs[0].wanted]


@pytest.mark.parametrize(
    "value",
    [3, {"station": 3}, THREE, THREE.__json__(), ref_to(THREE), ref_to(THREE).__json__(),
     kombu_json.loads(kombu_json.dumps(THREE)), kombu_json.loads(kombu_json.dumps(ref_to(THREE)))],
)  # fmt: skip
@pytest.mark.parametrize("by_keyword", [True, False])
def test_one_artifact(value, by_keyword):
    """Every spelling of an artifact names it, by position and by keyword, alone and in a list."""
    args, kwargs = ((), {"weather": value}) if by_keyword else ((value,), {})

    assert [THREE] == wanted(one, *args, **kwargs) == wanted(strict, value, tilt=1)
    assert [THREE] == wanted(several, *args, **kwargs)
    assert [THREE, FOUR, THREE] == wanted(keyed, [value, 4, 3]) == wanted(keyed, (value, 4, value))
    assert Pv(station=3, tilt=30) == bound(one, *args, **kwargs).outputs[0].artifact


@pytest.mark.parametrize("value", [ref_to(THREE), ref_to(THREE).__json__()])
def test_a_ref_pins_its_version(value):
    """The version travels with it; a key leaves it open."""
    assert (Wanted(THREE, ref_to(THREE)),) == bound(one, value).inputs[0].wanted
    assert (Wanted(THREE),) == bound(one, 3).inputs[0].wanted


def test_a_ref_that_only_looks_like_one_bound_before_is_refused():
    """What is remembered of a ref holds for its very values: 1 and True are two."""
    whole = ref_to(THREE).__json__()
    bound(one, whole)

    with pytest.raises(BindingError, match="size_bytes"):
        bound(one, {**whole, "size_bytes": bool(whole["size_bytes"])})
    with pytest.raises(BindingError, match="size_bytes"):
        bound(one, {**whole, "size_bytes": float(whole["size_bytes"])})


def test_a_key_with_another_kind_of_value_is_another():
    """An artifact that is remembered by its key is not found by an equal one."""
    assert THREE == Weather.from_key({"station": 3})

    for equal in (3.0, "3"):
        with pytest.raises(InvalidKey):
            Weather.from_key({"station": equal})
    with pytest.raises(InvalidKey):
        Weather.from_key({"station": 3, "tilt": 30})


def test_a_ref_apart_has_a_key_of_its_own():
    """A body may do with its ref what it wants: the next run finds it as it was."""
    bound(one, ref_to(THREE)).inputs[0].wanted[0].ref.apart().key["station"] = 4

    assert (Wanted(THREE, ref_to(THREE)),) == bound(one, ref_to(THREE)).inputs[0].wanted


def test_none_and_defaults():
    """None only where it is asked for; a default is a key."""
    (absent,) = bound(optional, station=3).inputs

    assert (True, ()) == (absent.absent, absent.wanted)
    assert Pv(station=3, tilt=30) == bound(optional, None, 3).outputs[0].artifact
    assert [THREE] == wanted(with_default)
    assert [] == wanted(keyed, [])
    with pytest.raises(BindingError, match=r"'weather' is None but not optional.*or annotate it"):
        bound(one, None)


@pytest.mark.parametrize("value", [{}, Atlas(), Atlas().__json__()])
def test_the_only_member_of_a_type(value):
    """A type without key fields is passed as `{}` or as its artifact."""
    assert [Atlas()] == wanted(atlas, value) == wanted(atlases, [value])


@pytest.mark.parametrize(
    ("body", "args", "kwargs", "problem"),
    [
        (one, (), {}, "missing a required argument: 'weather'"),
        (one, (3, 30, 5), {}, "too many positional"),
        (one, (3,), {"speed": 1}, "unexpected keyword argument 'speed'"),
        (one, (3,), {"pv": {"station": 3, "tilt": 30}}, "output 'pv' was passed by the caller"),
        (one, ([3],), {}, "takes one weather, not several"),
        (one, (Weather.where(),), {}, "takes one weather, not several"),
        (one, (True,), {}, "argument 'weather': key field 'station': input should be a valid int"),
        (one, ("3",), {}, "valid integer"),
        (one, (Path("/home/secret"),), {}, "not this PosixPath"),
        (one, ({"station": 3, "x": 1},), {}, "'x'"),
        (one, (Pv(station=3, tilt=1),), {}, "'weather' stands for weather, not 'pv'"),
        (one, (ref_to(Pv(station=3, tilt=1)),), {}, "'weather' stands for weather, not 'pv'"),
        (one, ({"$type": "weather"},), {}, "argument 'weather': key field"),
        (one, ({"$type": "weather", "version": "v"},), {}, "'weather': this ref is damaged"),
        (one, ({**ref_to(THREE).__json__(), "key": {"station": "x"}},), {}, "valid integer"),
        (several, ([3, [4]],), {}, "not this list"),
        (several, ({"$type": "pv", "where": {}},), {}, "stands for weather, not 'pv'"),
        (several, ({"$type": "weather", "where": 3},), {}, "selection for 'weather' is damaged"),
        (several, ({"$type": "weather", "where": {"cls": 3}},), {}, "no key field 'cls'"),
        (several, ({"$type": "weather", "where": {"station": "x"}},), {}, "'weather': key"),
        (one, (3, 31.5), {}, "output 'pv': key field 'tilt': input should be a valid integer"),
        (one, (3, "30"), {}, "output 'pv': key field 'tilt'"),
        (one, (3, None), {}, "nothing settles the key field 'tilt' of the output 'pv'"),
        (several, ([3, 4],), {}, "nothing settles the key field 'station'"),
        (two, (3, 4), {}, "as 3 from the input 'weather' and 4 from the input 'reference'"),
        (optional, (3, 4), {}, "as 4 from the argument 'station' and 3 from the input 'weather'"),
        (optional, (1, True), {}, "as True from the argument 'station' and 1 from the input"),
        (clash, (3, 30), {}, "the outputs 'pv' and 'other_pv' would both be Pv"),
        (atlas, (3,), {}, r"argument 'atlas': 3 is no key of this type.*pass \{\} or Atlas\(\)"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused(body, args, kwargs, problem):
    """Before anything is sent: a BindingError that names the task and says what to do."""
    with pytest.raises(BindingError, match=problem) as caught:
        bound(body, *args, **kwargs)

    assert body.__name__ == caught.value.artifact
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


def test_two_arguments_of_one_type():
    """Each is an input of its own; where they agree they settle a field together."""
    binding = bound(two, 3, 3)

    assert ["weather", "reference"] == [item.spec.argument for item in binding.inputs]
    assert Pv(station=3, tilt=30) == binding.outputs[0].artifact


DAY, UID = date(2026, 1, 31), uuid.UUID(int=1)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
REPORT = Report(day=DAY, at=NOON, region=Region.NORTH, uid=UID)


@pytest.mark.parametrize(
    "arguments",
    [
        (DAY, NOON, Region.NORTH, UID),
        (DAY, NOON.astimezone(timezone(timedelta(hours=1))), Region.NORTH, UID),
        ("2026-01-31", "2026-01-31T13:00:00+01:00", "north", str(UID)),
        kombu_json.loads(kombu_json.dumps([DAY, NOON, Region.NORTH, UID])),
    ],
)
def test_plain_arguments_settle_keys_in_json_too(arguments):
    """Dates, times, enums and UUIDs, as they are and as a message spells them."""
    assert REPORT == bound(report, *arguments).outputs[0].artifact
    assert REPORT == bound(report_of_part, *arguments, 1).outputs[0].artifact


def test_a_keyword_of_options_settles_a_key():
    """What `**kwargs` collects are arguments by name; `*args` have none."""
    binding = bound(by_name, 3, "a", "b", tilt=5)

    assert Pv(station=3, tilt=5) == binding.outputs[0].artifact
    assert {"rest": ("a", "b"), "tilt": 5} == binding.plain


def test_a_fan_in_of_one_value_settles_a_key():
    """All of one station tell the station; different ones leave it to an argument."""
    assert Pv(station=3, tilt=30) == bound(several, [3, 3]).outputs[0].artifact
    assert Pv(station=4, tilt=30) == bound(several, [4]).outputs[0].artifact


@pytest.mark.parametrize("journey", [lambda s: s, lambda s: json.loads(json.dumps(s.__json__()))])
def test_a_selection_stays_open(journey):
    """Which artifacts it names is asked at run time; one value settles a key beforehand."""
    free, single = Weather.where(), Weather.where(station=3)
    binding = bound(several, journey(free))

    assert binding.is_open
    assert free == binding.inputs[0].selection
    assert (None, {"tilt": 30}) == (binding.outputs[0].artifact, binding.outputs[0].known)
    assert Pv(station=3, tilt=30) == bound(several, journey(single)).outputs[0].artifact

    resolved = binding.resolved(lambda selection: [THREE] if selection == free else [])

    assert not resolved.is_open
    assert (Wanted(THREE),) == resolved.inputs[0].wanted
    assert Pv(station=3, tilt=30) == resolved.outputs[0].artifact
    with pytest.raises(BindingError, match="nothing settles the key field 'station'"):
        binding.resolved(lambda _: [THREE, FOUR])
    with pytest.raises(BindingError, match="nothing settles the key field 'station'"):
        binding.resolved(lambda _: [])


def test_only_selections_are_resolved():
    """Other inputs stay as they were bound."""
    binding = bound(one, ref_to(THREE))

    assert binding == binding.resolved(lambda _: pytest.fail("nothing to resolve"))


def test_members_of_outputs():
    """Their keys are the call's and the body's together, which may agree but not differ."""
    (output,) = bound(members, 3).outputs

    assert (None, {"station": 3}) == (output.artifact, output.known)
    assert (
        Pv(station=3, tilt=5)
        == output.member({"tilt": 5})
        == output.member({"tilt": 5, "station": 3})
    )
    for key in ({"tilt": 5, "station": 4}, {"tilt": 5, "station": True}):
        with pytest.raises(BindingError, match="'station' is 3 by the call, and"):
            output.member(key)
    for key in ({}, {"tilt": 5, "x": 1}, {"tilt": "5"}):
        with pytest.raises(InvalidKey):
            output.member(key)


def test_members_are_known_by_their_json():
    """A body may spell a date as text, and agree."""

    def body(day, *, report=OUTPUTS): ...

    (output,) = bound(body, DAY).outputs

    key = {"day": "2026-01-31", "at": NOON, "region": "north", "uid": UID}
    assert REPORT == output.member(key)


def test_the_same_call_binds_alike_after_a_message():
    """What the caller checked is what the worker does."""
    args = [[3, FOUR, ref_to(THREE)]]

    sent = kombu_json.loads(kombu_json.dumps(args))

    assert bound(keyed, *args).inputs == bound(keyed, *sent).inputs
