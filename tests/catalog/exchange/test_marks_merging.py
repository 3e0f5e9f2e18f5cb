"""Tags and aliases of merged catalogs: the whole history, and the last word counts everywhere."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.catalog.answers import marking
from rootcellar.catalog.catalog import Catalog


@pytest.fixture
def laptop(tmp_path):
    """A catalog of its own in a SQLite file."""
    with Catalog(f"sqlite:///{tmp_path}/laptop.sqlite") as laptop:
        yield laptop


def said(catalog):
    """All that is known of tags and aliases, by the bytes they are about."""
    versions = sorted(catalog.versions(), key=lambda one: str(one.digest))
    standing = [(one.name, one.set_at, one.version.digest) for one in catalog.aliases()]
    history = [
        (one.name, one.set_at, one.version and one.version.digest)
        for name in ("fig3", "best")
        for one in catalog.alias_history(name)
    ]
    tags = [
        sorted((t.key, t.set_at, t.value, str(t.removed_at)) for t in catalog.tag_history(one))
        for one in versions
    ]
    return standing, history, tags


def test_tags_and_aliases_come_over_with_their_history(catalog, laptop, records):
    """Both sides say something of the same version; after merging both ways they agree."""
    made = records.version("fit", {"n": 1}, "fit")
    uid = made.ref.version
    records.record(laptop, [], [made])
    laptop.alias(uid, "fig3")
    laptop.tag(uid, "quality", "good")
    first = laptop.push(catalog)
    laptop.tag(uid, "quality", "fair")
    laptop.unalias("fig3")
    catalog.tag(uid, "quality", "bad")
    catalog.alias(uid, "best")
    back, forth, again = laptop.pull(catalog), laptop.push(catalog), laptop.push(catalog)

    assert (2, 2, 2, 0) == (first.marks, back.marks, forth.marks, again.marks)
    assert said(laptop) == said(catalog)
    assert ["bad"] == [one.value for one in laptop.tags(uid)]
    assert ["best"] == [one.name for one in catalog.aliases()]
    assert "2 settings of tags and aliases" in str(first)


def test_what_is_said_of_a_sighting_follows_it(catalog, laptop, records):
    """Bytes that both catalogs saw are one version, and the names given to either are its names."""
    for one in (catalog, laptop):
        seen = records.version("weather", {"n": 1}, "sky", origin="observed")
        records.record(one, [seen], [])
        one.alias(seen.ref.version, "raw")
    mine = laptop.find("raw")
    laptop.tag(mine, "quality", "good")

    assert 1 == laptop.push(catalog).joined
    assert mine.uid != catalog.find("raw").uid
    assert ["good"] == [one.value for one in catalog.tags("raw")]
    assert 2 == len(catalog.alias_history("raw"))


def test_an_alias_that_arrives_late_does_not_count(catalog, laptop, records):
    """What was set earlier elsewhere is history, although its row comes last."""
    made = [records.version("fit", {"n": n}, str(n)) for n in (1, 2)]
    records.record(laptop, [], made)
    laptop.push(catalog)
    laptop.alias(made[0].ref.version, "fig3")
    catalog.alias(made[1].ref.version, "fig3")
    laptop.push(catalog)

    assert made[1].ref.version == catalog.find("fig3").uid == catalog.aliased("fig3").uid
    assert [made[1].ref.version] == [one.version.uid for one in catalog.aliases()]
    assert [2, 1] == [one.version.key["n"] for one in catalog.alias_history("fig3")]


def test_the_clock_may_go_back(catalog, records, monkeypatch):
    """An alias that is set later counts, also if the clock was set back in between."""
    made = [records.version("fit", {"n": n}, str(n)) for n in (1, 2)]
    records.record(catalog, [], made)
    catalog.alias(made[0].ref.version, "fig3")

    class Yesterday(datetime):
        @classmethod
        def now(cls, zone):
            return datetime.now(zone) - timedelta(days=1)

    monkeypatch.setattr(marking, "datetime", Yesterday)
    catalog.alias(made[1].ref.version, "fig3")

    assert made[1].ref.version == catalog.find("fig3").uid
    assert [2, 1] == [one.version.key["n"] for one in catalog.alias_history("fig3")]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tag", "untag", "alias", "unalias", "push", "pull"]),
        st.booleans(),
        st.sampled_from([0, 1]),
        st.sampled_from(["x", "y"]),
    ),
    max_size=14,
)


@given(STEPS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_catalogs_that_were_merged_both_ways_agree(tmp_path_factory, records, steps):
    """Whatever is said where and merged when; and the last word of all is what counts."""
    folder = tmp_path_factory.mktemp("both")
    made = [records.version("fit", {"n": n}, str(n)) for n in (1, 2)]
    uids = [one.ref.version for one in made]
    with (
        Catalog(f"sqlite:///{folder}/a.sqlite") as one,
        Catalog(f"sqlite:///{folder}/b.sqlite") as other,
    ):
        records.record(one, [], made)
        one.push(other)
        last = {}
        for step, is_other, which, word in steps:
            here = other if is_other else one
            match step:
                case "tag":
                    here.tag(uids[which], "k", word)
                case "untag":
                    here.untag(uids[which], "k")
                case "alias":
                    here.alias(uids[which], "fig3")
                    last["fig3"] = uids[which]
                case "unalias" if here.aliases():
                    here.unalias("fig3")
                    last["fig3"] = None
                case "push":
                    one.push(other)
                case "pull":
                    one.pull(other)
        one.push(other)
        one.pull(other)
        one.push(other)

        assert said(one) == said(other)
        standing = {a.name: a.version.uid for a in one.aliases()}
        assert {name: uid for name, uid in last.items() if uid} == standing
        assert all(len(one.tags(uid)) <= 1 for uid in uids)
