"""Two versions, or two runs, beside each other."""

from __future__ import annotations

import pytest

from rootcellar.arguments import recordable
from rootcellar.catalog.answers.difference import How, Topic
from rootcellar.catalog.answers.plain import is_partial
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogError, NotInCatalog


def told(difference):
    """Topic and words of each change."""
    return [(change.topic.value, str(change)) for change in difference.changes]


def test_versions_differ_in_themselves_and_in_how_they_were_made(lab):
    """Content, size, rows and schema first, then code, arguments, environment and inputs."""
    skies = [lab.version("weather", body, origin="observed") for body in ("sun", "rain")]
    schemas = [str(Digest.of(name.encode())) for name in ("one", "two")]
    powers = [
        lab.version("pv", body, row_count=rows, schema_fingerprint=schema)
        for body, rows, schema in zip(("1", "22"), (10, 20), schemas, strict=True)
    ]
    lab.run("fit", {"weather": [skies[0]]}, [powers[0]], arguments={"weather": 3, "tilt": 10})
    lab.run(
        "fit",
        {"weather": [skies[1]]},
        [powers[1]],
        arguments={"weather": 3, "tilt": 30},
        source="other",
        packages={"numpy": "2.1"},
    )

    difference = lab.catalog.diff(powers[0].ref, powers[1].ref)

    short = [one.ref.digest.short for one in powers]
    codes = [Digest.of(name).short for name in (b"code", b"other")]
    shown = [Digest(schema).short for schema in schemas]
    assert [
        ("content", f"{short[1]}, was {short[0]}"),
        ("size", "2 B, was 1 B"),
        ("rows", "20, was 10"),
        ("schema", f"{shown[1]}, was {shown[0]}"),
        ("code", f"source {codes[1]}, was {codes[0]}"),
        ("arguments", "tilt 30, was 10"),
        ("environment", "numpy 2.1, was 2.0"),
        ("inputs", "weather weather(n=1) version 2, was version 1: other content"),
    ] == told(difference)
    assert ((), ()) == (difference.equal, difference.unknown)
    assert not difference.is_equal


def test_what_is_equal_and_what_is_not_recorded_is_said(lab_file):
    """In fields and in the note of every form."""
    lab = lab_file
    seen = [lab.version("weather", body, origin="observed") for body in ("sun", "dry")]
    lab.run("look", seen, [])

    difference = lab.catalog.diff(seen[0].ref, seen[1].ref)

    assert (Topic.SIZE,) == difference.equal
    assert ("code", "arguments", "environment", "inputs") == difference.unknown
    note = "equal: size; not recorded: code, arguments, environment, inputs"
    assert note == difference.table().note
    assert str(difference).endswith(f"({note})")
    assert note in difference._repr_html_()


def test_a_version_does_not_differ_from_itself(lab_file):
    """Equal in all that is recorded."""
    lab = lab_file
    made = lab.version("pv", "1")
    lab.run("fit", [], [made])

    difference = lab.catalog.diff(made.ref, made.ref)

    assert difference.is_equal
    assert str(difference).startswith(
        "pv(n=1) version 1 differs from version 1 in nothing that is recorded"
    )


def runs(lab, before, after):
    """Two runs of a task with these arguments; returns how they differ."""
    return lab.catalog.diff(
        lab.run("fit", [], [], arguments=before), lab.run("fit", [], [], arguments=after)
    )


def test_arguments_differ_path_by_path(lab_file):
    """Nested values by their place; added and missing ones are told apart from null."""
    difference = runs(
        lab_file,
        {"options": {"layers": [1, 2], "name": "a"}, "seed": None},
        {"options": {"layers": [1, 3, 4], "name": "a"}, "mode": None},
    )

    assert [
        ("options.layers[1]", How.CHANGED, 2, 3),
        ("options.layers[2]", How.ADDED, None, 4),
        ("seed", How.MISSING, None, None),
        ("mode", How.ADDED, None, None),
    ] == [(one.what, one.how, one.before, one.after) for one in difference.changes]


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.5), (0, None), ("1", 1)])
def test_values_of_other_types_differ(lab_file, before, after):
    """What Python calls equal is not always the same argument."""
    assert 1 == len(runs(lab_file, {"a": before}, {"a": after}).changes)


@pytest.mark.parametrize(
    "value",
    ["***", "x" * 10 + "… 2500 characters", [1, 2, "… 3000 in all"], {"deep": [{"token": "***"}]}],
)
def test_what_was_not_recorded_whole_is_not_called_equal(lab_file, value):
    """Of a secret only the place is known, and of what was cut only the beginning."""
    difference = runs(lab_file, {"login": value}, {"login": value})

    assert () == difference.changes
    assert Topic.ARGUMENTS in difference.unknown


def test_what_differs_beside_a_secret_is_told(lab_file):
    """The rest of the arguments is compared as ever."""
    difference = runs(lab_file, {"token": "***", "n": 1}, {"token": "***", "n": 2})

    assert ["n"] == [change.what for change in difference.changes]
    assert Topic.ARGUMENTS not in difference.equal


def test_arguments_are_cut_as_comparing_expects():
    """What the front desk cuts is what comparing takes for cut."""
    cut = [recordable("x" * 3_000), recordable(list(range(2_000))), recordable("x", name="token")]

    assert [True] * 3 == [is_partial(one) for one in cut]
    assert not is_partial(recordable({"text": "3 in all", "list": [1, 2]}))


def test_a_run_known_only_by_its_end_has_no_other_task(lab_file):
    """What is not recorded yet is unknown, and no change of code."""
    lab = lab_file
    whole = lab.run("fit", [], [])
    stub = lab.records.ended(lab.records.started().uid)
    lab.catalog.finish_run(stub)

    difference = lab.catalog.diff(whole, stub.uid)

    assert () == difference.of(Topic.CODE)
    assert Topic.CODE in difference.unknown


def test_runs_differ_in_what_went_in_and_came_out(lab):
    """By values or by uids; an output is matched by its argument."""
    seen = lab.version("weather", "sun", origin="observed")
    one = lab.run("fit", {"weather": [seen]}, [lab.version("pv", "1")])
    other = lab.run("fit", {}, [lab.version("pv", "2")])

    difference = lab.catalog.diff(lab.catalog.run(one), other)

    assert [
        ("inputs", "weather not there, was weather(n=1) version 1"),
        ("outputs", "made pv(n=1) version 2, was version 1: other content"),
    ] == told(difference)
    assert str(difference).startswith(f"run {other} differs from run {one}\n")


def test_a_run_and_a_version_are_not_compared(lab_file):
    """The remedy names the run of a version."""
    lab = lab_file
    made = lab.version("pv", "1")
    uid = lab.run("fit", [], [made])

    with pytest.raises(CatalogError, match=r"Version\.run"):
        lab.catalog.diff(uid, made.ref)
    with pytest.raises(NotInCatalog):
        lab.catalog.diff("nothing", made.ref)


def test_unread_bytes_are_unknown_content(lab_file):
    """Two states of one object are not called different bytes."""
    lab = lab_file
    seen = [lab.unread("weather", state) for state in ("etag 1", "etag 2")]
    lab.run("look", seen, [])

    change = lab.catalog.diff(seen[0].ref, seen[1].ref).changes[0]

    assert (Topic.CONTENT, How.UNKNOWN) == (change.topic, change.how)
    assert str(change).endswith(": unknown content")
