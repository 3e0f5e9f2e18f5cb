"""Retention over rows alone, in both databases: what is left over, entered and told."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.errors import CatalogError, NotInCatalog
from rootcellar.schemas.ref import Pin
from rootcellar.schemas.retention import Retention


def at(place, lab, type_name="draft", **fields):
    """A version with a place of its own, as templates with `{version}` give."""
    fields = {"uri": f"derived://{type_name}/{place}", **fields}
    return lab.version(type_name, fields.pop("body", place), **fields)


def uids(records):
    return {one.ref.version for one in records}


def left(lab, **policies):
    return {one.uid for one in lab.catalog.left_over(policies)}


def remove(lab, *records):
    """Enter versions as deleted."""
    policies = {one.ref.version: "by hand" for one in records}
    lab.catalog.announce_removals(policies)
    lab.catalog.finish_removals(dict.fromkeys(policies, 1), policies)


def test_rules_keep_and_what_none_keeps_is_left_over(lab):
    """By number, by age and by use, in each kind of database."""
    drafts = [at(str(n), lab) for n in range(4)]
    for one in drafts:
        lab.run("draw", [], [one])
    lab.run("print", [drafts[0]], [at("book", lab, "book")])
    now = drafts[-1].recorded_at + timedelta(hours=2)
    day = Retention(days=3 / 24)

    assert uids(drafts[:3]) == left(lab, draft=Retention())
    assert uids(drafts[:2]) == left(lab, draft=Retention(last=2))
    assert uids(drafts[1:3]) == left(lab, draft=Retention(used=True))
    found = lab.catalog.left_over({"draft": day}, now=now)
    assert uids(drafts[:3]) == {one.uid for one in found}
    assert set() == left(lab, unknown=Retention())


@pytest.mark.parametrize("days", [10_000_000, 1e12, float("inf")])
def test_an_age_that_no_calendar_holds_keeps_all(lab, days):
    """Who wants to keep everything for ever may say so in days."""
    for place in ("1", "2"):
        lab.run("draw", [], [at(place, lab)])

    assert set() == left(lab, draft=Retention(last=1, days=days))


def test_what_is_entered_is_told(lab):
    """When, by which policy, how many bytes; twice is once; the row stays."""
    old, new = at("1", lab), at("2", lab)
    lab.run("draw", [], [old])
    lab.run("draw", [], [new])
    before = lab.catalog.announce_removals({old.ref.version: "last 1"})
    again = lab.catalog.announce_removals({old.ref.version: "last 1"})
    for freed in (7, 9):
        lab.catalog.finish_removals({old.ref.version: freed})
    told = lab.catalog.deleted("draft")

    assert (set(), {old.ref.version}) == (before, again)
    assert [("deleted", "last 1", 7)] == [
        (row["state"], row["policy"], row["freed_bytes"])
        for row in map(dict, (zip(told.names, row, strict=True) for row in told.rows))
    ]
    assert "deleted" in repr(told[0])
    assert 2 == len(lab.catalog.versions("draft"))
    assert set() == left(lab, draft=Retention())


def test_a_current_version_that_is_gone_is_no_head(lab):
    """To tasks and to answers alike; a later one is, again."""
    one = at("1", lab)
    lab.run("draw", [], [one])
    assert one.ref.version == lab.catalog.head_ref("draft", {"n": 1}).version

    lab.catalog.finish_removals({one.ref.version: None})

    assert "missing" == lab.catalog.find(one.ref.version).state
    assert lab.catalog.head("draft", {"n": 1}) is None
    assert lab.catalog.head_ref("draft", {"n": 1}) is None
    assert ([], 0) == (lab.catalog.keys("draft"), len(lab.catalog.heads("draft")))
    two = at("2", lab)
    lab.run("draw", [], [two])
    assert two.ref.version == lab.catalog.head_ref("draft", {"n": 1}).version


def test_only_what_a_store_still_has_goes(lab):
    """Written over is gone already, unless the store keeps versions."""
    pins = [Pin(size_bytes=1, etag=f"e{n}") for n in range(2)]
    for pin in pins:
        lab.run("draw", [], [at("x", lab, pin=pin, body=pin.etag)])
    kept = [Pin(size_bytes=1, etag="e", version_id=f"v{n}") for n in range(2)]
    bodies = [at("y", lab, "plan", pin=pin, body=pin.version_id) for pin in kept]
    for one in bodies:
        lab.run("draw", [], [one])

    assert set() == left(lab, draft=Retention())
    assert uids(bodies[:1]) == left(lab, plan=Retention())


def test_one_object_as_two_versions_is_kept_for_the_other(lab):
    """By URI and pin."""
    pin = Pin(size_bytes=1, etag="e", version_id="v1")
    old, new = at("1", lab, pin=pin), at("2", lab)
    lab.run("draw", [], [old])
    lab.run("draw", [], [new])
    assert uids([old]) == left(lab, draft=Retention())

    seen = lab.version("other", "1", origin="observed", uri=old.ref.uri, pin=pin)
    lab.catalog.enter_sightings([seen])

    assert set() == left(lab, draft=Retention())


def test_what_is_made_again_needs_what_it_was_made_from(lab):
    """Run, code and inputs; and those of its inputs that are gone, too."""
    raw = at("raw", lab, "raw", origin="observed")
    middle, end, hand = at("m", lab), at("e", lab), at("h", lab)
    lab.run("first", [raw], [middle])
    lab.run("second", [middle], [end], commit="abc")
    lab.run("push", [], [hand], kind="push")
    remove(lab, middle, end, hand)

    def told():
        rows = lab.catalog.deleted().rebuildable()
        return {row["version"]: (row["is_rebuildable"], row["reason"]) for row in rows}

    by_digest = "its code is in no commit: known by digest only"
    assert {
        middle.ref.version: (True, by_digest),
        end.ref.version: (True, None),
        hand.ref.version: (False, "it was made by hand"),
    } == told()
    lab.catalog.finish_removals({raw.ref.version: None})
    gone = told()
    assert (False, "raw(n=1) version 1 is gone and cannot be made again") == gone[
        middle.ref.version
    ]
    assert (False, "no run of ours made it") == gone[raw.ref.version]
    assert not gone[end.ref.version][0]


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_a_plain_walk(lab_file, seed):
    """Over made-up histories: what is left over by use, and what could be made again."""
    lab, chance = lab_file, random.Random(seed)
    made, inputs = [], {}
    for number in range(25):
        reads = chance.sample(made, min(len(made), chance.randrange(3)))
        key = {"n": chance.randrange(3)}
        one = at(str(number), lab, chance.choice(["a", "b"]), key=key)
        lab.run("task", reads, [one], kind=chance.choice(["task", "task", "push"]))
        made.append(one)
        inputs[one.ref.version] = {read.ref.version for read in reads}
    going = walked_left_over(made, inputs)
    rules = {"a": Retention(used=True), "b": Retention(last=2)}

    assert going == left(lab, **rules)

    gone = chance.sample(made, 12)
    remove(lab, *gone)
    rows = lab.catalog.deleted().rebuildable()
    able = {row["version"] for row in rows if row["is_rebuildable"]}
    by_hand = {one.uid for one in lab.catalog.versions() if one.run.kind == "push"}
    assert walked_able(uids(gone), inputs, by_hand) == able


def walked_left_over(made, inputs):
    """`a` keeps the last and the used, `b` the last two: one rule after another, until it holds."""
    going = set()
    for name, last in (("a", 1), ("b", 2)):
        for n in range(3):
            own = [m for m in made if m.ref.type == name and m.ref.key == {"n": n}]
            going |= uids(own[: len(own) - last] if len(own) > last else [])
    used = uids(one for one in made if one.ref.type == "a")
    while True:
        kept = {
            uid for uid in going & used if any(uid in inputs[m] for m in inputs if m not in going)
        }
        if not kept:
            return going
        going -= kept


def walked_able(gone, inputs, by_hand):
    """What can be made from what is there, and from what was made so before."""
    able = set()
    for _ in gone:
        able |= {
            uid
            for uid in gone
            if uid not in by_hand and all(i not in gone or i in able for i in inputs[uid])
        }
    return able


def test_limits_and_names_are_checked(lab_file):
    """As everywhere."""
    with pytest.raises(NotInCatalog):
        lab_file.catalog.deleted("nothing")
    with pytest.raises(CatalogError):
        lab_file.catalog.deleted(limit=0)


def test_an_alias_keeps_its_version_after_a_merge(lab, tmp_path):
    """What the other side had said before was entered later, and does not count."""
    first, second, third = (at(str(n), lab) for n in range(3))
    for one in (first, second, third):
        lab.run("draw", [], [one])
    with Catalog(f"sqlite:///{tmp_path}/laptop.sqlite") as laptop:
        lab.catalog.push(laptop)
        laptop.alias(first.ref.version, "paper")
        lab.catalog.alias(second.ref.version, "paper")
        lab.catalog.pull(laptop)

    assert second.ref.version == lab.catalog.find("paper").uid
    assert uids([first]) == left(lab, draft=Retention())
