"""Dates and times in URIs: fixed widths, and nothing lost."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.templates.codec import KeyField, Place
from rootcellar.schemas.templates.moment import DateCodec, DatetimeCodec
from rootcellar.schemas.templates.template import UriTemplate

FIELD = KeyField("t", "raw://{t}")


def naive(*parts):
    """Return a time without a zone."""
    return datetime(*parts)  # noqa: DTZ001 - naive times are values too


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["%Y-%m"], r"loses part of the date when formatted with %Y %m\..*{t:%Y-%m-%d}, or an int"),
        (["%m-%d"], "loses part"),
        (["%j"], "loses part"),
        (["%Y"], "loses part"),
        (["%y%m%d"], "cannot be formatted with '%y'. Use only %Y %d %j %m"),
        (["%Y-%b-%d"], "'%b'"),
        (["%Y-%-m-%d"], "'%-'"),
        (["%Y%%%m%d"], "'%%'"),
        (["%Y%m%d%"], "'%'"),
        (["%Y%m%dT%H"], "'%H'"),
        (["02d"], "'02d'"),
    ],
)
def test_a_date_format_that_loses_something_is_refused(specs, message):
    """The directives of all places must make up the date."""
    with pytest.raises(DeclarationError, match=message):
        DateCodec.of(FIELD, specs)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["%Y-%m-%d"], "loses part of the time.*date and hour at least.*or a date field"),
        (["%H:%M"], "loses part"),
        (["%Y%m%d%I%p"], "'%I'"),
        (["%Y%m%d%H%z"], "'%z'"),
        (["T"], "'T'"),
    ],
)
def test_a_time_format_that_loses_something_is_refused(specs, message):
    """A datetime needs its date and its hour at least."""
    with pytest.raises(DeclarationError, match=message):
        DatetimeCodec.of(FIELD, specs)


@pytest.mark.parametrize(
    ("text", "value", "uri"),
    [
        ("raw://{t}", naive(2026, 1, 2, 3, 4, 5), "raw://20260102T030405"),
        ("raw://{t}", naive(800, 1, 2), "raw://08000102T000000"),
        ("raw://{t}", naive(2026, 1, 2, 3, 4, 5, 6), "raw://20260102T030405.000006"),
        ("raw://{t}", datetime(2026, 1, 2, tzinfo=UTC), "raw://20260102T000000Z"),
        ("raw://{t}", datetime(2026, 1, 2, 0, 0, 0, 1, UTC), "raw://20260102T000000.000001Z"),
        ("raw://{t:%Y%m%d%H}", naive(2026, 1, 2, 3), "raw://2026010203"),
        ("raw://{t:%Y%m%dT%H%M%S%fZ}", datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
         "raw://20260102T030405000006Z"),
        ("raw://{t:%Y/%j}/t{t:%HZ}.nc", datetime(2024, 12, 31, 6, tzinfo=UTC),
         "raw://2024/366/t06Z.nc"),
        ("raw://{t:%Y}/{t}", naive(2026, 1, 2, 3, 4, 5, 6), "raw://2026/20260102T030405.000006"),
        ("raw://{t:%Y}/{t}", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))),
         "raw://2025/20251231T230000Z"),
    ],
)  # fmt: skip
def test_times_render_as_declared_and_come_back(text, value, uri):
    """ISO 8601 in UTC, or the directives; years always have four digits."""
    template = UriTemplate.parse(text, {"t": datetime})

    assert uri == template.render({"t": value})
    found = template.match(uri)
    assert found is not None
    assert found.key == {"t": value}


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        ("%Y%m%d%H", naive(2026, 1, 1, 0, 30), "its minute is 30, .*or put %M in the format"),
        ("%Y%m%d%H%M", naive(2026, 1, 1, 0, 30, 1), "its second is 1"),
        ("%Y%m%d%H%M%S", naive(2026, 1, 1, 0, 0, 0, 9), "its microsecond is 9"),
        ("%Y%m%d%H", datetime(2026, 1, 1, tzinfo=UTC), "holds no time zone. .*end in Z"),
        ("%Y%m%d%HZ", naive(2026, 1, 1), "ends in Z but it has no time zone"),
        ("", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "years 1 to 9999 in UTC"),
        ("", date(2026, 1, 1), "of type date, not datetime"),
    ],
)
def test_a_time_that_its_format_cannot_hold_is_refused(spec, value, message):
    """Nothing is rounded, and no zone is guessed."""
    codec = DatetimeCodec.of(FIELD, [spec])

    with pytest.raises(InvalidKey, match=message):
        codec.encode(value, Place(spec and "%Y"))


@given(st.datetimes() | st.datetimes(timezones=st.just(UTC)))
def test_the_full_form_holds_every_time(value):
    """Every time comes back from its own text."""
    codec = DatetimeCodec.of(FIELD, [""])

    found = codec.decode({"": codec.encode(value, Place())})

    assert value == found


@given(st.dates(), st.sampled_from(["%Y%m%d", "%j%Y", "%d.%m.%Y", "%Y/%m/%d/%j"]))
def test_a_whole_date_format_holds_every_date(value, spec):
    """Every date comes back from every format that is allowed."""
    template = UriTemplate.parse(f"raw://{{t:{spec}}}", {"t": date})

    found = template.match(template.render({"t": value}))

    assert found is not None
    assert found.key == {"t": value}
