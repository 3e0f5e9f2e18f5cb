"""Many small files that draw from one reservation: no byte is lost, and none is counted too few."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.manifest_text import Line
from rootcellar.staging.cache.entries import EntryState
from rootcellar.staging.cache.lot import Lot
from rootcellar.staging.folders.member_files import MemberFiles
from rootcellar.staging.host.scratch import Scratch
from rootcellar.staging.workdir.workdir import Workdir

CONTENTS = [os.urandom(100 + number) for number in range(50)]


@pytest.fixture
def workdir(cache):
    made = Workdir(cache, str(uuid.uuid4()))
    yield made
    made.close()


@pytest.fixture
def reservation(cache):
    cache.evictor.count_if_free()
    scratch = Scratch(cache.top, "tmp", "lot")
    with_room = cache.ledger.reserve(3_000_000, str(scratch.path))
    assert with_room is not None
    yield with_room
    with_room.close()
    scratch.close()


def entry_of(cache, digest):
    return Path(cache.entries.path(digest))


def line_of(number):
    return Line(f"d{number % 3}/{number}", len(CONTENTS[number]), Digest.of(CONTENTS[number]))


def test_what_a_lot_takes_is_kept(cache, reservation):
    """And the rest is given back with the reservation."""
    with cache.ledger.opened() as account:
        before = account.used_bytes - 3_000_000
    lot = Lot(reservation)
    taken = [lot.take(400_000) for _ in range(8)]
    lot.put_back(400_000)
    lot.close()
    lot.close()
    reservation.close()

    assert [True] * 7 + [False] == taken
    with cache.ledger.opened() as account:
        assert 6 * 400_000 == account.used_bytes - before


def test_who_dies_within_a_lot_has_counted_too_much(cache, reservation):
    """What was taken and not noted as kept still counts as reserved."""
    lot = Lot(reservation)
    lot.take(100)

    with cache.ledger.opened() as account:
        assert account.used_bytes >= 3_000_000


def test_members_are_written_as_entries(cache, workdir, ledger_and_disk):
    """Each whole, read-only, with the mark, of two names; and the ledger knows of it."""
    own = cache.within(workdir.aside)
    place = workdir.folder(argument="a", ordinal=0, name="tree")
    files = MemberFiles(own, place, None)
    with files.lot(sum(map(len, CONTENTS))) as lot:
        assert lot is not None
        for number, content in enumerate(CONTENTS):
            assert files.write(line_of(number), memoryview(content), lot=lot)

    for number, content in enumerate(CONTENTS):
        line = line_of(number)
        path = place.path / line.path
        assert content == path.read_bytes()
        assert (0o444, 2) == (stat.S_IMODE(path.stat().st_mode), path.stat().st_nlink)
        assert EntryState.GOOD is cache.entries.state(line.digest, line.size_bytes)
    assert () == workdir.modified_inputs()
    counted, there = ledger_and_disk(cache)
    assert there == counted


def test_a_narrow_umask_narrows_no_entry(cache, workdir):
    """Entries are as readable as ever."""
    files = MemberFiles(
        cache.within(workdir.aside), workdir.folder(argument="a", ordinal=0, name="tree"), None
    )
    before = os.umask(0o077)
    try:
        with files.lot(1000) as lot:
            files.write(line_of(1), CONTENTS[1], lot=lot)
    finally:
        os.umask(before)

    mode = entry_of(cache, line_of(1).digest).stat().st_mode
    assert 0o444 == stat.S_IMODE(mode)


def test_members_of_the_same_bytes_are_one_entry(cache, workdir, ledger_and_disk):
    """Counted once, also if a bad entry of that digest was in the way."""
    own = cache.within(workdir.aside)
    place = workdir.folder(argument="a", ordinal=0, name="tree")
    files, line = MemberFiles(own, place, None), line_of(7)
    entry_of(cache, line.digest).parent.mkdir(parents=True)
    entry_of(cache, line.digest).write_bytes(b"damaged")
    with files.lot(10_000) as lot:
        for name in "abc":
            assert files.write(Line(name, line.size_bytes, line.digest), CONTENTS[7], lot=lot)

    assert dict.fromkeys("abc", CONTENTS[7]) == {
        path.name: path.read_bytes() for path in place.path.iterdir()
    }
    assert 4 == entry_of(cache, line.digest).stat().st_nlink
    cache.evictor.count_if_free()
    counted, there = ledger_and_disk(cache)
    assert there == counted


def test_without_room_for_all_the_members_come_one_by_one(cache_of, ledger_and_disk):
    """Where the same bytes come often, they need the room of one."""
    cache = cache_of(1_000)
    workdir = Workdir(cache, str(uuid.uuid4()))
    place = workdir.folder(argument="a", ordinal=0, name="tree")
    files, line = MemberFiles(cache.within(workdir.aside), place, None), line_of(9)
    with files.lot(20 * line.size_bytes) as lot:
        assert lot is None
        for number in range(20):
            assert files.write(Line(str(number), line.size_bytes, line.digest), CONTENTS[9])

    assert 20 == len(list(place.path.iterdir()))
    counted, there = ledger_and_disk(cache)
    assert there == counted
    workdir.close()


def test_many_outputs_are_taken_in(cache, workdir, ledger_and_disk, tmp_path):
    """Linked where they lie in a workdir, copied from elsewhere, and each digest once."""
    own = cache.within(workdir.aside)
    top = workdir.reserve("out", "tree")
    top.mkdir()
    files = []
    for number, content in enumerate([*CONTENTS, CONTENTS[0]]):
        path = (tmp_path if number == 5 else top) / f"{number}"
        path.write_bytes(content)
        files.append((str(path), Digest.of(content), len(content)))
    own.add_many(files)

    for number, content in enumerate(CONTENTS):
        status = entry_of(cache, Digest.of(content)).stat()
        assert (1 if number == 5 else 2) == status.st_nlink
        assert EntryState.GOOD is cache.entries.state(Digest.of(content), len(content))
    counted, there = ledger_and_disk(cache)
    assert there == counted
