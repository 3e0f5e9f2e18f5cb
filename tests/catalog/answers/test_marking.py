"""Tags and aliases: what stands, what stood, and what a name means."""

from __future__ import annotations

import threading

import pytest

from rootcellar.schemas.errors import CatalogError, NotInCatalog


@pytest.fixture
def two(catalog, records):
    """Two versions of one artifact, the older first."""
    made = [records.version("pv", {"station": 1}, body) for body in ("first", "second")]
    for one in made:
        records.record(catalog, [], [one])
    return [catalog.version(one.ref.version) for one in made]


def test_a_tag_stands_until_it_is_removed(catalog, two):
    """Another value takes its place; what was before stays known."""
    older, newer = two
    catalog.tag(older, "status", "draft")
    catalog.tag(older, "status", "approved")
    catalog.tag(older, "status", "approved")
    catalog.tag(newer, "status", "draft")
    catalog.tag(older, "by")
    stands = {one.key: one.value for one in catalog.tags(older)}
    removed = (catalog.untag(older, "status"), catalog.untag(older, "status"))
    history = [
        (one.key, one.value, one.removed_at is None) for one in catalog.tag_history(older.uid)
    ]

    assert {"by": "", "status": "approved"} == stands
    assert (True, False) == removed
    assert [("by", "", True), ("status", "draft", False), ("status", "approved", False)] == history
    assert ["by"] == [one.key for one in catalog.tags(older)]


def test_versions_are_found_by_their_tags(catalog, two):
    """By key, and by value; the last tagged first."""
    older, newer = two
    catalog.tag(newer, "figure", "3")
    catalog.tag(older, "figure", "4")

    assert [older.uid, newer.uid] == [one.uid for one in catalog.tagged("figure")]
    assert [newer.uid] == [one.uid for one in catalog.tagged("figure", "3")]
    assert "first 1 of more" == catalog.tagged("figure", limit=1).note
    assert [] == list(catalog.tagged("colour"))


def test_an_alias_means_one_version_wherever_a_version_is_meant(catalog, two):
    """It stays where it is when the artifact moves on, and moves when it is set again."""
    older, newer = two
    catalog.alias(older, "fig3")
    before = catalog.find("fig3")
    walked = catalog.upstream("fig3")
    catalog.alias(newer, "fig3")

    assert older.uid == before.uid
    assert 0 == len(walked)
    assert newer.uid == catalog.aliased("fig3").uid
    assert catalog.produced("fig3").uid == newer.run.uid
    assert [newer.uid, older.uid] == [one.version.uid for one in catalog.alias_history("fig3")]
    assert ["fig3"] == list(catalog.aliases().column("name"))


def test_an_alias_is_taken_back(catalog, two):
    """Then it means nothing; that it did stays known."""
    catalog.alias(two[0], "fig3")
    catalog.unalias("fig3")

    with pytest.raises(NotInCatalog, match="fig3"):
        catalog.aliased("fig3")
    with pytest.raises(NotInCatalog):
        catalog.find("fig3")
    with pytest.raises(NotInCatalog):
        catalog.unalias("fig3")
    assert [] == list(catalog.aliases())
    assert [None, two[0].uid] == [
        one.version and one.version.uid for one in catalog.alias_history("fig3")
    ]


@pytest.mark.parametrize(
    "name", ["", "raw://x", "a b", "x" * 101, "01a20618-2180-715a-b05a-61d43d5d8915", "5ac60e63",
             "a=b", "_", "a\0b"],
)  # fmt: skip
def test_an_alias_is_taken_for_nothing_else(catalog, two, name):
    """No URI, no uid or end of one, no key."""
    with pytest.raises(CatalogError, match="cannot be an alias"):
        catalog.alias(two[0], name)


def test_tags_that_could_not_be_found_are_refused(catalog, two):
    """An index takes no text of any length."""
    for key, value in (("", "x"), ("k" * 101, ""), ("k", "v" * 401)):
        with pytest.raises(CatalogError, match="too long"):
            catalog.tag(two[0], key, value)
    catalog.tag(two[0], "odd", "\0\udc80'%s")

    assert [two[0].uid] == [one.uid for one in catalog.tagged("odd", "\0\udc80'%s")]


def test_many_who_tag_at_once_leave_one_value(catalog, two):
    """The last one stands; none fails."""
    failed = []

    def write(number):
        try:
            catalog.tag(two[0], "status", str(number))
        except CatalogError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [] == failed
    assert 1 == len(catalog.tags(two[0]))
    assert 8 == len(catalog.tag_history(two[0]))


@pytest.mark.parametrize(("key", "value"), [("n", 3), (3, "n"), (None, ""), ("n", None)])
def test_what_is_no_text_is_no_tag(catalog, two, key, value):
    """It would come back as something else, or not at all."""
    with pytest.raises(CatalogError, match="not both text"):
        catalog.tag(two[0], key, value)
