"""host_note: what a process was doing is known when it is dead, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rootcellar.staging.host.host_note import HostNote, sweep_notes

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from rootcellar.staging.host.host_note import HostNote
note = HostNote(Path(sys.argv[1]), b"head")
for line in sys.argv[2:]:
    note.clear() if line == "-" else note.write(line.encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


def die(folder, *lines):
    """Let a process write and clear a note, and die."""
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, folder, *lines], check=False)
    assert -signal.SIGKILL == done.returncode


def swept(folder):
    found = []
    sweep_notes(folder, lambda head, line: found.append((head, line)))
    return found


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["one"], [(b"head", b"one")]),
        (["a longer one", "two"], [(b"head", b"two")]),
        (["one", "-"], []),
        ([], []),
    ],
)
def test_the_last_line_of_a_killed_process_is_found_once(tmp_path, lines, said):
    """Not an earlier one, not what was cleared, and nothing is left."""
    folder = tmp_path / "runs"
    die(str(folder), *lines)

    assert said == swept(folder)
    assert [] == swept(folder)
    assert [] == list(folder.iterdir())


WRITE_SEVERAL_AND_DIE = """
import os, signal, sys
from pathlib import Path
from rootcellar.staging.host.host_note import HostNote
note = HostNote(Path(sys.argv[1]), b"head")
note.write(b"what was here before them, and was longer")
note.clear()
assert note.append(b"one") and note.append(b"two")
note.extend(b" and a half")
assert note.append(b"three")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_several_lines_are_found_in_their_order(tmp_path):
    """Each with what was added to it, and nothing of what was there before."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_SEVERAL_AND_DIE, tmp_path], check=False, timeout=60
    )

    assert -signal.SIGKILL == done.returncode
    assert [b"one", b"two and a half", b"three"] == [line for _, line in swept(tmp_path)]
    assert [] == list(tmp_path.iterdir())


def test_a_living_process_keeps_its_note(tmp_path):
    """A sweeper passes it by, and it can be written on."""
    note = HostNote(tmp_path, b"head")
    note.write(b"working")

    assert [] == swept(tmp_path)
    assert note.write(b"still working")
    note.close()
    assert [] == list(tmp_path.iterdir())


def test_a_note_stays_while_nobody_can_take_it(tmp_path):
    """What its finder could not use is there for the next one."""
    die(str(tmp_path), "one")

    def fail(_head, _line):
        raise LookupError

    with pytest.raises(LookupError):
        sweep_notes(tmp_path, fail)

    assert [(b"head", b"one")] == swept(tmp_path)


def test_a_deleted_cache_is_noticed(tmp_path):
    """A note without a name would be found by nobody."""
    note = HostNote(tmp_path, b"head")
    (path,) = tmp_path.iterdir()
    path.unlink()

    assert not note.write(b"working")
    note.close()


def test_a_missing_folder_holds_no_notes(tmp_path):
    """Sweeping is safe before anything ran."""
    assert [] == swept(tmp_path / "nothing")


def test_a_line_that_was_cut_short_says_nothing(tmp_path):
    """Whoever died while writing has begun nothing."""
    die(str(tmp_path), "whole")
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - 2)  # its own end, and that of the note

    assert [] == swept(tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc")])
def test_what_is_no_note_is_passed_by(tmp_path, make):
    """A folder or a pipe among the notes keeps nobody from reading them."""
    make(tmp_path / "0")
    die(str(tmp_path), "one")

    assert [(b"head", b"one")] == swept(tmp_path)
    assert [tmp_path / "0"] == list(tmp_path.iterdir())
