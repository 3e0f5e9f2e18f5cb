"""`rootcellar cache`: what a host keeps, why, and what may go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootcellar.runtime import cache_of, current_settings
from rootcellar.schemas.digest import Digest
from rootcellar.staging.workdir.workdir import Workdir

CONTENT = b"1 2 3\n"
OTHER = b"4 5 6 7\n"


@pytest.fixture
def filled(call, tmp_path):
    """A project with two entries: stations 3 and 4."""
    for station, content in ((3, CONTENT), (4, OTHER)):
        file = tmp_path / f"w{station}.dat"
        file.write_bytes(content)
        assert call("push", "weather", f"station={station}", file).exit_code == 0
        pulled = call("pull", "weather", f"station={station}", "--to", tmp_path / f"p{station}")
        assert pulled.exit_code == 0
    return cache_of(current_settings())


def test_asking_makes_no_cache(call, ask, project):
    """Before anything was cached there is nothing to list, and it stays so."""
    assert [] == ask("cache", "ls")["entries"]
    assert "Nothing is cached" in call("cache", "usage").stdout
    assert 0 == ask("cache", "usage")["entries"]
    assert [] == ask("cache", "verify")["bad"]
    assert 0 == ask("cache", "evict", "--all")["freed_bytes"]
    assert {} == ask("cache", "prune")["pruned"]
    for command in ("why", "evict"):
        assert 1 == call("cache", command, "raw://weather/03.dat").exit_code
    assert not (project / ".rootcellar").exists()


def test_ls_shows_what_is_kept_and_what_it_was_fetched_as(filled, ask, call):
    """Digest, size, state, holders and URIs, for people and programs."""
    entries = {one["digest"]: one for one in ask("cache", "ls")["entries"]}

    assert {Digest.of(CONTENT), Digest.of(OTHER)} == set(entries)
    one = entries[Digest.of(CONTENT)]
    assert ["raw://weather/03.dat"] == one["uris"]
    assert (len(CONTENT), "good", False, []) == (
        one["size_bytes"],
        one["state"],
        one["is_leased"],
        one["leased_by"],
    )
    assert Digest.of(CONTENT).short in call("cache", "ls").stdout
    assert "1 more" in call("cache", "ls", "--limit", "1").stdout


def test_a_leased_entry_names_its_run_and_is_not_evicted(filled, ask, call):
    """`ls` and `why` say who holds it; evicting it by name ends with 1."""
    workdir = Workdir(filled, "run-0001")
    os.link(filled.entries.path(Digest.of(CONTENT)), workdir.path / "03.dat")

    why = ask("cache", "why", "raw://weather/03.dat")["entries"]
    assert ["run-0001"] == why[0]["leased_by"]
    assert "leased by run run-0001" == why[0]["reason"]
    by_path = ask("cache", "why", workdir.path / "03.dat")["entries"]
    assert why == by_path

    refused = call("cache", "evict", "raw://weather/03.dat")
    assert 1 == refused.exit_code
    assert "leased by run" in refused.stdout
    to = call("cache", "evict", "--to", str(len(CONTENT)))
    assert "stays" not in to.stdout
    swept = call("cache", "evict", "--all")
    assert (0, True) == (swept.exit_code, "stays: leased by run run-0001." in swept.stdout)
    assert {"freed_bytes": 0, "kept": [Digest.of(CONTENT)]} == ask("cache", "evict", "--to", "1")
    assert filled.find(Digest.of(CONTENT), len(CONTENT)) is not None
    workdir.close()


@pytest.mark.parametrize("named", ["digest", "beginning", "uri"])
def test_an_entry_is_evicted_by_any_of_its_names(filled, ask, named):
    """By digest, by its beginning, and by URI."""
    digest = Digest.of(CONTENT)
    word = {"digest": digest, "beginning": digest.short, "uri": "raw://weather/03.dat"}[named]

    assert {"freed_bytes": len(CONTENT), "kept": []} == ask("cache", "evict", word)

    assert filled.find(digest, len(CONTENT)) is None
    assert filled.find(Digest.of(OTHER), len(OTHER)) is not None


def test_evicting_to_a_size_begins_with_the_least_recently_released(filled, ask):
    """Until no more than that is left."""
    assert len(CONTENT) == ask("cache", "evict", "--to", str(len(OTHER)))["freed_bytes"]
    assert filled.find(Digest.of(OTHER), len(OTHER)) is not None


@pytest.mark.parametrize("words", [[], ["abc", "--all"], ["--all", "--to", "1"], ["--to", "much"]])
def test_a_wrong_eviction_is_a_wrong_call(filled, refuse, words):
    """Exactly one way of saying what goes."""
    assert 2 == refuse("cache", "evict", *words)["exit_code"]


def test_what_is_not_there_is_said(filled, refuse):
    """With the way to find out what is."""
    error = refuse("cache", "why", "raw://weather/99.dat")

    assert (1, "NotInCatalog") == (error["exit_code"], error["kind"])
    assert "cache ls" in error["remedy"]


def test_usage_adds_up(filled, ask):
    """Entries, leases, reservations and the disk."""
    found = ask("cache", "usage")

    assert (2, len(CONTENT + OTHER)) == (found["entries"], found["entry_bytes"])
    assert found["used_bytes"] == found["entry_bytes"]
    assert 0 < found["floor_bytes"] < found["budget_bytes"] < found["disk_bytes"]


def test_verify_finds_rot_and_ends_with_1(filled, call, ask):
    """Bytes that changed without a trace go into quarantine, and `ls` says why they did."""
    assert {"entries": 2, "bad": []} == {
        name: value for name, value in ask("cache", "verify").items() if name != "size_bytes"
    }
    path = Path(filled.entries.path(Digest.of(CONTENT)))
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"9" * len(CONTENT))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    done = call("cache", "verify")

    assert 1 == done.exit_code
    assert Digest.of(CONTENT) in done.stdout
    listed = ask("cache", "ls")
    assert [Digest.of(CONTENT)] == [one["digest"] for one in listed["quarantined"]]
    assert "verified" in listed["quarantined"][0]["reason"]
    assert "quarantined" in call("cache", "ls").stdout


def test_prune_removes_what_nobody_needs(filled, ask, call):
    """Old layouts, quarantine, notes without entries; twice is once."""
    old = filled.root.parent / "v1" / "cas"
    old.mkdir(parents=True)
    filled.forget(Digest.of(CONTENT), "bad")

    pruned = ask("cache", "prune")["pruned"]

    assert {"layouts": 1, "quarantined": 1, "sources": 1} == {
        name: count for name, count in pruned.items() if count
    }
    assert not old.parent.exists()
    assert "nothing to prune" in call("cache", "prune").stdout


def test_too_few_digits_of_a_digest(filled, call):
    """The remedy says how many it takes."""
    result = call("cache", "why", "ab")

    assert result.exit_code == 1
    assert "at least 6 digits" in " ".join(result.stderr.split())
