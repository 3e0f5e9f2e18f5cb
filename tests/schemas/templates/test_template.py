"""URI templates: typed, injective, two-way, and closed to hostile values."""

import enum
import pickle
import unicodedata
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Literal

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.templates.template import TemplateMatch, UriTemplate


class Region(enum.Enum):
    NORTH = "north-sea"
    SOUTH = "süd/ost"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 10


# Templates and values that are refused are passed over; a busy machine is no failure.
PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30
).map(lambda text: unicodedata.normalize("NFC", text))
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
VALUES = {
    int: st.integers(-(10**30), 10**30),
    str: TEXTS,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    datetime: st.datetimes() | st.datetimes(timezones=ZONES),
    uuid.UUID: st.uuids(),
    Region: st.sampled_from(Region),
    Level: st.sampled_from(Level),
    Literal["a", "b-", 3]: st.sampled_from(["a", "b-", 3]),
}
SEPARATORS = ["/", "_", ":", "=", ",", "@", "-", ".x", "+", "/-_"]


@st.composite
def templates(draw):
    """Draw a template over two or three fields, and the strategy of its keys."""
    kinds = draw(st.lists(st.sampled_from(list(VALUES)), min_size=2, max_size=3))
    fields = {f"f{number}": kind for number, kind in enumerate(kinds)}
    text = "raw://" + draw(st.sampled_from(["", "a/", "p"]))
    for name, kind in fields.items():
        specs = {int: ["", ":02d", ":04d"], date: ["", ":%Y-%m-%d", ":%j/%Y"]}.get(kind, [""])
        text += f"{{{name}{draw(st.sampled_from(specs))}}}{draw(st.sampled_from(SEPARATORS))}"
    text += draw(st.sampled_from(["end", "{f0}", "{version}"]))
    try:
        template = UriTemplate.parse(text, fields)
    except DeclarationError:
        assume(False)  # noqa: FBT003 - hypothesis' own interface
    return template, st.fixed_dictionaries({name: VALUES[kind] for name, kind in fields.items()})


def rendered(template, key):
    """Render, or give the example up where a value is refused."""
    try:
        return template.render(key, version="v-1")
    except InvalidKey:
        assume(False)  # noqa: FBT003 - hypothesis' own interface


@PATIENT
@given(st.data())
def test_a_rendered_uri_gives_its_key_back(data):
    """`match` undoes `render`, with equal values of equal types."""
    template, keys = data.draw(templates())
    key = data.draw(keys)
    uri = rendered(template, key)

    found = template.match(uri)

    assert found is not None
    assert key == found.key
    assert {name: type(value) for name, value in key.items()} == {
        name: type(value) for name, value in found.key.items()
    }
    assert found.version == ("v-1" if template.has_version else "")


@PATIENT
@given(st.data())
def test_two_keys_never_share_a_uri(data):
    """Rendering is injective."""
    template, keys = data.draw(templates())
    one, two = data.draw(keys), data.draw(keys)

    assert (one == two) == (rendered(template, one) == rendered(template, two))


ALPHABET = st.sampled_from(
    [*"017-+._=%:/aZT~ ", "%2F", "%2f", "%41", "true", "1.0", "00", "\u0661"]
)


@PATIENT
@given(st.sampled_from(list(VALUES)), st.sampled_from(["", "/{x}", "-z", ".z"]), st.data())
def test_every_uri_that_matches_is_the_one_that_is_rendered(kind, end, data):
    """`render` undoes `match`: no second spelling is ever accepted."""
    try:
        template = UriTemplate.parse(f"raw://{{x}}{end}", {"x": kind})
    except DeclarationError:
        assume(False)  # noqa: FBT003 - hypothesis' own interface
    middle = data.draw(st.lists(ALPHABET, max_size=8).map("".join))
    uri = f"raw://{middle}{end.replace('{x}', middle)}"

    found = template.match(uri)

    assert found is None or template.render(found.key) == uri


HOSTILE = [
    "../", "../../etc/passwd", "..", ".", "", "/etc/passwd", "a\0b", "a\nb", "a\rb", "\x1b[0m",
    "\x85", "s3::zip", "*", "?versionId=1", "[a]", "{x}", "%2e%2e", "%2e%2e%2f", "..%2f", "..\\",
    "a\\b", unicodedata.normalize("NFD", "é"), "\u202eabc", "\u2066", "\u2028", "\ud800",
    "x" * 1025, "é" * 101, float("nan"), float("inf"), True, 1, 1.0, b"a", None, "x" * 10_000_000,
    ("a",), {"a": 1}, "~root", "a//b", "file:///x", "#f", "a b", " ", "\ufeff", "\uffff",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("end", ["", "/x", ".d", "-{s}"])
def test_a_hostile_value_is_refused_or_harmless(value, end):
    """F73: whatever is passed stays one plain segment under the literal prefix, or is refused."""
    template = UriTemplate.parse(f"raw://a/{{s}}{end}", {"s": str})

    try:
        uri = template.render({"s": value})
    except InvalidKey as error:
        refusal = str(error)
        uri = ""

    if not uri:
        assert len(refusal) < 400
        assert refusal.isprintable()
        return
    check_harmless(uri, template)
    assert template.match(uri) == TemplateMatch({"s": value})


@PATIENT
@given(st.text() | st.from_regex(r"[./\\%:*?\[\]{}~#]{1,6}", fullmatch=True))
@example("%2e%2e")
def test_no_text_escapes(value):
    """Any text that is not refused renders as one plain segment."""
    template = UriTemplate.parse("raw://a/.{s}.{s}", {"s": str})

    check_harmless(rendered(template, {"s": value}), template)


def check_harmless(uri, template):
    """Check that a URI addresses nothing but a plain object below its template's prefix."""
    assert uri.startswith(template.prefix)
    assert uri.isascii()
    assert uri.isprintable()
    assert uri.count("/") == template.text.count("/")
    assert {"", ".", ".."}.isdisjoint(uri.partition("://")[2].split("/"))
    assert not any(mark in uri for mark in ("::", "*", "?", "[", "]", "\\", "~", "#", " ", "{"))


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("s3::zip", "s3%3A%3Azip"),
        ("*?[]", "%2A%3F%5B%5D"),
        ("a\\b", "a%5Cb"),
        ("100%", "100%25"),
        ("x?versionId=1", "x%3FversionId=1"),
        ("a/b", "a%2Fb"),
        ("süd", "s%C3%BCd"),
        ("~x", "%7Ex"),
        ("a-b_c.d=e+f@g,h", "a-b_c.d=e+f@g,h"),
    ],
)
def test_what_could_address_something_else_is_encoded(text, encoded):
    """Every character outside of the safe set is percent-encoded in upper case."""
    template = UriTemplate.parse("raw://{s}", {"s": str})

    assert f"raw://{encoded}" == template.render({"s": text})


def test_the_character_that_ends_a_text_is_encoded_in_it():
    """`{region}-{year}` is clear although a region may hold a hyphen."""
    template = UriTemplate.parse("raw://{region}-{year}", {"region": str, "year": int})

    uri = template.render({"region": "north-sea", "year": -5})

    assert uri == "raw://north%2Dsea--5"
    assert template.match(uri) == TemplateMatch({"region": "north-sea", "year": -5})


@pytest.mark.parametrize(
    ("text", "kind", "uri"),
    [
        ("raw://{x:02d}", int, "raw://007"),
        ("raw://{x:02d}", int, "raw://7"),
        ("raw://{x}", int, "raw://+7"),
        ("raw://{x}", int, "raw://-0"),
        ("raw://{x}", int, "raw://\u0667"),
        ("raw://{x}", str, "raw://a%2fb"),
        ("raw://{x}", str, "raw://%61"),
        ("raw://{x}", str, "raw://%FF"),
        ("raw://{x}", str, "raw://%2E%2E"),
        ("raw://{x}", str, "raw://a/b"),
        ("raw://{x}", str, "raw://"),
        ("raw://{x}", str, "raw://\ud800"),
        ("raw://{x}", str, "raw://" + "a" * 901),
        ("raw://{x}", float, "raw://1"),
        ("raw://{x}", float, "raw://-0.0"),
        ("raw://{x}", float, "raw://nan"),
        ("raw://{x}", float, "raw://1_0.0"),
        ("raw://{x}", bool, "raw://True"),
        ("raw://{x}", date, "raw://20260101"),
        ("raw://{x:%Y-%m-%d}", date, "raw://2026-02-30"),
        ("raw://{x:%Y-%j}", date, "raw://2025-366"),
        ("raw://{x:%Y-%j}", date, "raw://0001-000"),
        ("raw://{x}", datetime, "raw://20260101T000000+0100"),
        ("raw://{x}", datetime, "raw://20260101T000000.000000Z"),
        ("raw://{x}", uuid.UUID, "raw://6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
        ("raw://{x}", Region, "raw://west"),
        ("raw://{x}/{x}", int, "raw://1/2"),
        ("raw://{x}/a", int, "raw://1"),
        ("raw://{x}/a", int, "raw://1/ab"),
        ("raw://{x}/a", int, "rew://1/a"),
        ("raw://{x}/{version}", int, "raw://1/a.b"),
    ],
)
def test_other_spellings_do_not_match(text, kind, uri):
    """Only the canonical URI of a key belongs to a template."""
    assert UriTemplate.parse(text, {"x": kind}).match(uri) is None


@pytest.mark.parametrize(
    ("text", "kind", "value", "uri"),
    [
        ("raw://{x:02d}.dat", int, 3, "raw://03.dat"),
        ("raw://{x:02d}.dat", int, 123, "raw://123.dat"),
        ("raw://{x:03d}.dat", int, -1, "raw://-01.dat"),
        ("raw://{x:d}.dat", int, 0, "raw://0.dat"),
        ("raw://{x}-b", int, -3, "raw://-3-b"),
        ("raw://{x}.nc", float, 1.5, "raw://1.5.nc"),
        ("raw://{x}", float, -0.0, "raw://0.0"),
        ("raw://{x}", float, 1e300, "raw://1e+300"),
        ("raw://{x}{x}/{x}", date, date(800, 1, 2), "raw://0800-01-020800-01-02/0800-01-02"),
        ("raw://{x:%Y/%m/%d}", date, date(800, 1, 2), "raw://0800/01/02"),
        ("raw://{x:%Y}/{x:%j}.nc", date, date(2024, 12, 31), "raw://2024/366.nc"),
        ("raw://{x:%Y}/{x}.nc", date, date(2024, 12, 31), "raw://2024/2024-12-31.nc"),
        ("raw://{x:%Y%m%d}00.grib", date, date(2026, 1, 2), "raw://2026010200.grib"),
        ("raw://{x}", Level, Level.LOW, "raw://-1"),
        ("raw://{x}-", Level, Level.LOW, "raw://%2D1-"),
        ("raw://{x}", Region, Region.SOUTH, "raw://s%C3%BCd%2Fost"),
        ("raw://{x}{x}", Literal["a", "b"], "b", "raw://bb"),
        ("raw://{x}.csv", bool, True, "raw://true.csv"),
        ("raw://{x}", Annotated[int, "anything"], 4, "raw://4"),
        ("file:///data/{x}", int, 4, "file:///data/4"),
    ],
)
def test_values_render_as_the_grammar_says(text, kind, value, uri):
    """One fixed example for each form, both ways."""
    template = UriTemplate.parse(text, {"x": kind})

    assert uri == template.render({"x": value})
    assert TemplateMatch({"x": value}) == template.match(uri)


def test_a_version_stands_beside_the_key():
    """`{version}` gives each version its own URI, and is read back apart from the key."""
    template = UriTemplate.parse("raw://{x}/{version}.nc", {"x": int})

    uri = template.render({"x": 1}, version="0198-ab")

    assert uri == "raw://1/0198-ab.nc"
    assert template.match(uri) == TemplateMatch({"x": 1}, "0198-ab")
    assert template.has_version
    assert UriTemplate.parse("raw://a", {}).render({}, version="0198-ab") == "raw://a"


@pytest.mark.parametrize("version", ["", "a.b", "a/b", "../a", "é", "a" * 201, "a\n"])
def test_a_version_that_is_no_uid_is_refused(version):
    """Nothing but letters, digits and hyphens stands for `{version}`."""
    template = UriTemplate.parse("raw://{version}", {})

    with pytest.raises(InvalidKey, match=r"field 'version' cannot be .* not a version uid"):
        template.render({}, version=version)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({}, "field 'x' has no value.*Pass exactly the fields x"),
        ({"x": 1, "y": 2}, "field 'y' is not in the template"),
        ({"x": 1, "version": "v"}, "field 'version' is not in the template"),
    ],
)
def test_a_key_has_exactly_the_fields(key, message):
    """A missing or unknown field is named."""
    template = UriTemplate.parse("raw://{x}/{version}", {"x": int})

    with pytest.raises(InvalidKey, match=message) as caught:
        template.render(key, version="v")

    assert caught.value.uri == template.text


def test_a_uri_over_900_bytes_is_refused():
    """The longest value is named."""
    template = UriTemplate.parse("raw://{a}/{b}/{c}", {"a": str, "b": str, "c": int})

    with pytest.raises(InvalidKey, match=r"1209 bytes long, and field 'b'.*900 bytes") as caught:
        template.render({"a": "é" * 100, "b": "/" * 200, "c": 1})

    assert "Use shorter values" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("raw://{x}/{y}", {"x": int}, r"raw://{x}/{y}: {y} is not a field. Declare .* one of x"),
        ("raw://{x}", {}, r"{x} is not a field.*\(none\)"),
        ("raw://a", {"x": int}, "field 'x' is not in the template.*Add {x}"),
        ("raw://{version}", {"version": str}, "may not be called 'version'"),
        ("raw://{version:d}", {}, "'version' cannot be formatted with 'd'"),
        ("raw://{x}{y}", {"x": int, "y": int}, "'x' is followed directly by {y}.*a literal"),
        ("raw://{x}{version}", {"x": str}, "'x' is followed directly by {version}"),
        ("raw://{x:02d}{y}", {"x": int, "y": str}, "'x' is followed directly"),
        ("raw://{x}a", {"x": str}, "'x' is followed by 'a', which could continue its value"),
        ("raw://{x}0.dat", {"x": int}, "'x' is followed by '0.dat'"),
        ("raw://{x}.5", {"x": float}, "'x' is followed by '.5'"),
        ("raw://{x}.", {"x": float}, "'x' is followed by '.'"),
        ("raw://{x}.epw", {"x": float}, "'x' is followed by '.epw'"),
        ("raw://{x}-a", {"x": float}, "'x' is followed by '-a'"),
        ("raw://{x}Z", {"x": datetime}, "'x' is followed by 'Z'.*or give a date or datetime"),
        ("raw://{version}-a", {}, "'version' is followed by '-a'"),
        ("raw://{x}e", {"x": bool}, "'x' is followed by 'e'"),
        ("raw://" + "a" * 900, {}, "906 characters long.*at most 900"),
    ],
)
def test_a_template_that_is_not_clear_is_refused(text, fields, message):
    """The definition error names template, field and remedy."""
    with pytest.raises(DeclarationError, match=message) as caught:
        UriTemplate.parse(text, fields)

    assert caught.value.remedy
    assert caught.value.uri in text


def test_a_template_is_a_value():
    """Equal text and fields give equal templates, which survive pickling."""
    fields = {"x": int, "day": date, "region": Region}
    template = UriTemplate.parse("raw://a/{x}/{region}/{day:%Y%m%d}", fields)

    assert template == UriTemplate.parse(template.text, fields)
    assert template == pickle.loads(pickle.dumps(template))
    assert template.prefix == "raw://a/"
    assert template.scheme == "raw"
    assert template.fields == ("x", "day", "region")
    assert not template.has_version


def test_an_aware_time_comes_back_in_utc():
    """Two spellings of one instant share a URI, since they are equal."""
    template = UriTemplate.parse("raw://{t}.nc", {"t": datetime})
    local = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))

    uri = template.render({"t": local})

    assert uri == "raw://20260101T000000Z.nc"
    assert template.match(uri) == TemplateMatch({"t": datetime(2026, 1, 1, tzinfo=UTC)})


def test_the_outline_leaves_the_version_open():
    """What a person reads of an artifact without naming a version; no value looks like it."""
    template = UriTemplate.parse("raw://a/{s}/{version}.dat", {"s": str})

    assert "raw://a/%7Bversion%7D/{version}.dat" == template.outline({"s": "{version}"})


def test_one_value_can_be_checked():
    """Without the others."""
    UriTemplate.parse("raw://{s}/{n}", {"s": str, "n": int}).check("n", 1)
    with pytest.raises(InvalidKey):
        UriTemplate.parse("raw://{s}/{n}", {"s": str, "n": int}).check("s", "..")
