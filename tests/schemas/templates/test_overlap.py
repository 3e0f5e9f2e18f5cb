"""The overlap proof: it misses no meeting, and tells plain neighbours apart."""

import enum
import uuid
from datetime import UTC, date, datetime
from typing import Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.templates.overlap import meeting
from rootcellar.schemas.templates.template import UriTemplate


class Region(enum.Enum):
    NORTH = "north"
    EAST = "east"


TYPES = {
    "n": int, "m": int, "s": str, "t": str, "b": bool, "f": float, "day": date, "at": datetime,
    "u": uuid.UUID, "r": Region, "k": Literal["1", "latest"],
}  # fmt: skip


def template(text):
    """Return the template, each field with the type its name stands for above."""
    names = [part.split(":")[0].rstrip("}") for part in text.split("{")[1:]]
    names = [name.partition("}")[0] for name in names]
    return UriTemplate.parse(text, {name: TYPES[name] for name in names if name in TYPES})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("raw://a/{n:02d}.dat", "raw://a/index.dat"),
        ("raw://a/{n:02d}.dat", "raw://a/7.dat"),
        ("raw://a/{n:02d}.dat", "raw://a/007.dat"),
        ("raw://x/{n:04d}.nc", "raw://x/latest.nc"),
        ("raw://x/{day:%Y/%m-%d}.nc", "raw://x/latest.nc"),
        ("raw://x/{day}.nc", "raw://x/{n}.nc"),
        ("raw://x/{day}.nc", "raw://x/2026-31-01.nc"),
        ("raw://x/{at}", "raw://x/{at:%Y%m%d%H%M}"),
        ("raw://pv/tilt={s}", "raw://pv/turbine={t}"),
        ("raw://pv/{n}", "raw://pv/{f}"),
        ("raw://pv/{n}/{s}", "raw://pv/{t}"),
        ("raw://pv/{b}", "raw://pv/{r}"),
        ("raw://pv/{r}", "raw://pv/{k}"),
        ("raw://pv/{r}", "raw://pv/west"),
        ("raw://pv/{u}", "raw://pv/{n}"),
        ("raw://pv/{s}", "derived://pv/{s}"),
        ("raw://pv/{s}-x", "raw://pv/{n}-{m}-x"),
        ("raw://pv/a", "raw://pv/ab"),
        ("raw://pv/{n}/{version}", "raw://pv/{n}/a.b"),
    ],
)
def test_these_never_meet(first, second):
    """The search proves it, in both orders."""
    assert meeting(template(first), template(second)) is None
    assert meeting(template(second), template(first)) is None


@pytest.mark.parametrize(
    ("first", "second", "example"),
    [
        ("raw://a/{n:02d}.dat", "raw://a/17.dat", "raw://a/17.dat"),
        ("raw://a/{n:02d}.dat", "raw://a/{s}.dat", "raw://a/11.dat"),
        ("raw://a/{n}", "raw://a/-5", "raw://a/-5"),
        ("raw://a/{f}", "raw://a/{s}", "raw://a/1.1"),
        ("raw://a/{day}", "raw://a/{s}", "raw://a/1111-11-11"),
        ("raw://a/{at}.nc", "raw://a/{s}.nc", "raw://a/11111111T111111.nc"),
        ("raw://a/{u}", "raw://a/{s}", "raw://a/11111111-1111-1111-1111-111111111111"),
        ("raw://a/{b}", "raw://a/{s}", "raw://a/true"),
        ("raw://a/{k}", "raw://a/{n}", "raw://a/1"),
        ("raw://a/{s}/{n}", "raw://a/{n}/{t}", "raw://a/1/1"),
        ("raw://a/{s}", "raw://a/x=1", "raw://a/x=1"),
        ("raw://a/{version}", "raw://a/{n}", "raw://a/1"),
        ("raw://a", "raw://a", "raw://a"),
    ],
)
def test_these_meet_at_an_example(first, second, example):
    """The example is the shortest, and a URI of both."""
    assert example == meeting(template(first), template(second))
    assert example == meeting(template(second), template(first))
    assert template(first).match(example) is not None
    assert template(second).match(example) is not None


@pytest.mark.parametrize(
    ("folder", "other", "example"),
    [
        ("raw://a/{n}", "raw://a/{m}/x.nc", "raw://a/1/x.nc"),
        ("raw://a/{n}", "raw://a/{m}", "raw://a/1"),
        ("raw://a/{n}", "raw://a/{m}.nc", None),
        ("raw://a/{n}", "raw://a/x/1", None),
        ("raw://a/b", "raw://a", None),
    ],
)
def test_a_folder_owns_what_lies_below_it(folder, other, example):
    """Below its URI and a slash, on either side; beside it nothing."""
    one, two = template(folder), template(other)

    assert example == meeting(one, two, first_is_folder=True)
    assert example == meeting(two, one, second_is_folder=True)


def test_a_folder_in_a_folder_meets():
    """Two folders meet if one lies in the other."""
    outer, inner = template("raw://a"), template("raw://a/{n}")

    assert meeting(outer, inner) is None
    assert meeting(outer, inner, first_is_folder=True, second_is_folder=True) == "raw://a/1"
    assert meeting(outer, inner, second_is_folder=True) is None


LOCAL = datetime(9, 1, 1, 0, 0, 0, 1)  # noqa: DTZ001 - naive times are values too
VALUES = {
    "n": st.integers(-12, 12),
    "m": st.integers(-12, 12),
    "s": st.text("1-.ae/", min_size=1, max_size=3),
    "t": st.text("1-.ae/", min_size=1, max_size=3),
    "b": st.booleans(),
    "f": st.sampled_from([1.0, 0.0, -1.5, 1e22, 1e-7, 1.5e300]),
    "day": st.sampled_from([date(1, 1, 1), date(2026, 12, 31)]),
    "at": st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), LOCAL]),
    "u": st.uuids(),
    "r": st.sampled_from(Region),
    "k": st.sampled_from(["1", "latest"]),
}
SPECS = {"n": ["", ":02d", ":03d"], "day": ["", ":%Y%m%d", ":%j/%Y"]}
PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


@st.composite
def rendered(draw):
    """Draw a small template and one of its URIs."""
    names = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=2, unique=True))
    text = "raw://" + draw(st.sampled_from(["", "1", "a/"]))
    for name in names:
        spec = draw(st.sampled_from(SPECS.get(name, [""])))
        text += f"{{{name}{spec}}}{draw(st.sampled_from(['', '-', '.', '/', '/1']))}"
    text = text.rstrip("/")
    try:
        one = UriTemplate.parse(text, {name: TYPES[name] for name in names})
        return one, one.render({name: draw(VALUES[name]) for name in names})
    except (DeclarationError, InvalidKey):
        assume(False)  # noqa: FBT003 - hypothesis' own interface


@PATIENT
@given(rendered())
def test_every_uri_of_a_template_is_accepted(case):
    """The automaton holds at least what is rendered: a literal of it meets the template."""
    one, uri = case
    assume("%" not in uri)
    literal = UriTemplate.parse(uri, {})

    assert uri == meeting(one, literal)


@PATIENT
@given(st.lists(rendered(), min_size=6, max_size=6))
def test_templates_that_share_a_uri_are_found(cases):
    """Whenever one template matches what another rendered, a meeting is found."""
    for one, uri in cases:
        for two, _ in cases:
            if two.match(uri) is not None:
                assert meeting(one, two) is not None


@PATIENT
@given(rendered(), rendered())
def test_a_proof_holds_for_every_uri(one, two):
    """Where no meeting is found, neither template matches a URI of the other."""
    if meeting(one[0], two[0]) is None:
        assert one[0].match(two[1]) is None
        assert two[0].match(one[1]) is None
