"""`rootcellar tag` and `alias`: what people write on versions."""

from __future__ import annotations

import pytest

X = ("generation", "station=3", "tilt=30")


@pytest.fixture
def uid(filled, ask):
    """The current version of `X`."""
    return ask("show", *X)["version"]["version"]


def test_a_tag_is_written_shown_and_removed(uid, call, ask):
    """The exit code says if there was nothing to remove."""
    assert "no tags" in call("tag", *X).stdout
    written = ask("tag", *X, "--set", "status=approved", "--set", "seen")
    shown = call("tag", *X).stdout
    removed = call("tag", *X, "--remove", "status")
    again = call("tag", *X, "--remove", "status")

    assert uid == written["version"]
    assert {"status": "approved", "seen": ""} == {
        one["key"]: one["value"] for one in written["tags"]
    }
    assert "approved" in shown
    assert (0, 1) == (removed.exit_code, again.exit_code)
    assert ["seen"] == [one["key"] for one in ask("tag", *X)["tags"]]


def test_an_alias_stands_for_a_version_in_commands(uid, call, ask):
    """Until it is taken back; then it is a mistake with a remedy."""
    assert "no aliases" in call("alias").stdout
    assert 0 == call("alias", "fig3", *X).exit_code
    listed = ask("alias")["aliases"]
    shown = ask("show", "fig3")["version"]["version"]
    tagged = ask("tag", "fig3", "--set", "a=b")["version"]
    table = call("alias").stdout
    assert 0 == call("alias", "fig3", "--remove").exit_code

    assert [("fig3", uid)] == [(one["name"], one["version"]["version"]) for one in listed]
    assert (uid, uid) == (shown, tagged)
    assert uid[-8:] in table
    assert [None, uid] == [
        one["version"] and one["version"]["version"] for one in ask("alias", "fig3")["aliases"]
    ]
    assert 1 == call("show", "fig3").exit_code
    assert 1 == call("alias", "fig3", "--remove").exit_code
    assert 2 == call("alias", "--remove").exit_code


def test_a_name_that_could_be_something_else_is_refused(uid, call):
    """With a remedy."""
    done = call("alias", "raw://x", *X)

    assert 1 == done.exit_code
    assert "cannot be an alias" in done.stderr


def test_what_was_not_there_is_said(uid, call):
    """A tag that was to be removed, and a name that nobody ever gave."""
    tag = call("tag", *X, "--remove", "status")
    alias = call("alias", "fig9")

    assert "It had no tag 'status'." in tag.stderr
    assert 1 == alias.exit_code
    assert "there never was an alias 'fig9'" in alias.stderr


def test_lists_of_an_empty_catalog_are_empty(call, ask):
    """As those of `ls` and `runs` are, and without making a catalog."""
    assert {"aliases": []} == ask("alias")
    assert [] == ask("duplicates")["contents"] == ask("deleted")["versions"]
    assert {0} == {call(name).exit_code for name in ("alias", "duplicates", "deleted")}


def test_an_alias_that_is_a_type_is_told(uid, call):
    """Commands go on to take it as the type."""
    told = call("alias", "weather", *X)
    silent = call("alias", "fig3", *X)

    assert (0, 0) == (told.exit_code, silent.exit_code)
    assert "Commands take 'weather' as the artifact type" in told.stderr
    assert "" == silent.stderr
