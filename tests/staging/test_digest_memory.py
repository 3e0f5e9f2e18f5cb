"""DigestMemory: what this host has read of local files, and when that is not to be relied on."""

from __future__ import annotations

import os
import time
from multiprocessing import get_context

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.staging.cache import digest_memory
from rootcellar.staging.cache.digest_memory import DigestMemory

HELLO = Digest.of(b"hello")
LONG_AGO_NS = 10**18 + 1


@pytest.fixture
def memory(tmp_path):
    return DigestMemory(tmp_path)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    os.utime(path, ns=(0, LONG_AGO_NS))
    return path


def note(memory, file, digest=HELLO) -> bool:
    return memory.remember(file.stat(), digest, since_ns=time.time_ns())


def test_remembered(memory, file, tmp_path):
    """A digest is found again, also by another process's memory of the same folder."""
    assert memory.find(file.stat()) is None
    assert note(memory, file)

    assert HELLO == memory.find(file.stat())
    assert HELLO == DigestMemory(tmp_path).find(file.stat())


def test_other_name_is_the_same_file(memory, file, tmp_path):
    """A second name changes nothing, nor does a rename, nor the mode."""
    note(memory, file)
    os.link(file, tmp_path / "second")
    file.rename(tmp_path / "moved")
    (tmp_path / "moved").chmod(0o400)

    assert HELLO == memory.find((tmp_path / "second").stat())


@pytest.mark.parametrize("change", ["content", "time", "replaced"])
def test_changed_file_is_unknown(memory, file, change):
    """Another size, time or inode is another file."""
    note(memory, file)
    if change == "content":
        file.write_bytes(b"hello!")
        os.utime(file, ns=(0, LONG_AGO_NS))
    elif change == "time":
        os.utime(file, ns=(0, LONG_AGO_NS + 1))
    else:
        other = file.with_name("other")
        other.write_bytes(b"HELLO")
        os.utime(other, ns=(0, LONG_AGO_NS))
        other.replace(file)

    assert memory.find(file.stat()) is None


@pytest.mark.parametrize(
    ("fraction", "age", "known"), [(1, 0.05, False), (1, 0.2, True), (0, 2, False), (0, 3, True)]
)
def test_file_written_just_now_is_not_noted(memory, file, fraction, age, known):
    """It could be written again in the same tick, a coarse one where times are whole seconds."""
    second = 10**9
    modified = 10**9 * second + fraction
    os.utime(file, ns=(0, modified))

    assert known == memory.remember(file.stat(), HELLO, since_ns=modified + int(age * second))


def test_algorithms_are_told_apart(memory, file):
    """A file may have a digest of each."""
    other = Digest(f"blake3:{'0' * 64}")
    note(memory, file)
    note(memory, file, other)

    assert [HELLO, other] == [memory.find(file.stat(), name) for name in ("sha256", "blake3")]


def test_other_boot_forgets(memory, file, monkeypatch):
    """What was not synced may be lost with the power though its inode is not."""
    note(memory, file)
    monkeypatch.setattr(digest_memory, "boot_id", lambda: b"another")

    assert memory.find(file.stat()) is None


def test_damaged_memory_is_no_memory(memory, file, tmp_path):
    """Every byte of a record counts, and a memory that cannot be read or written is empty."""
    note(memory, file)
    stored = tmp_path / "digests"
    content = bytearray(stored.read_bytes())
    place = content.index(bytes.fromhex(HELLO.hex))
    content[place + 7] ^= 1
    stored.write_bytes(content)
    assert memory.find(file.stat()) is None
    stored.unlink()
    stored.mkdir()

    assert memory.find(file.stat()) is None
    assert not note(memory, file)


def test_bounded(memory, file, tmp_path, monkeypatch):
    """A full bucket loses a record, never more, and never gives another file's."""
    monkeypatch.setattr(digest_memory, "_BUCKETS", 1)
    statuses = []
    for number in range(12):
        path = tmp_path / f"file-{number}"
        path.write_text(str(number))
        os.utime(path, ns=(0, LONG_AGO_NS))
        statuses.append((path.stat(), Digest.of(str(number).encode())))
    for status, digest in statuses:
        memory.remember(status, digest, since_ns=time.time_ns())
    found = [(memory.find(status), digest) for status, digest in statuses]

    assert 4 == sum(one is not None for one, _ in found)
    assert all(one in (None, digest) for one, digest in found)
    assert 256 == (tmp_path / "digests").stat().st_size


def _hammer(root, statuses) -> None:
    memory = DigestMemory(root)
    for _ in range(50):
        for status in statuses:
            memory.remember(status, Digest.of(str(status.st_ino).encode()), since_ns=time.time_ns())


def test_processes_do_not_mislead_each_other(tmp_path, monkeypatch):
    """Many that write the same buckets at once lose records at most."""
    monkeypatch.setattr(digest_memory, "_BUCKETS", 1)
    statuses = []
    for number in range(8):
        path = tmp_path / f"file-{number}"
        path.touch()
        os.utime(path, ns=(0, LONG_AGO_NS))
        statuses.append(path.stat())
    context = get_context("fork")
    processes = [context.Process(target=_hammer, args=(tmp_path, statuses)) for _ in range(4)]
    for process in processes:
        process.start()
    memory = DigestMemory(tmp_path)
    while any(process.is_alive() for process in processes):
        for status in statuses:
            assert memory.find(status) in (None, Digest.of(str(status.st_ino).encode()))
    for process in processes:
        process.join()

    assert [0] * 4 == [process.exitcode for process in processes]
