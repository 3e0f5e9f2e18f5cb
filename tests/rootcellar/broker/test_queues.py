"""Queues in a folder: nothing lost, nothing twice, in order, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.broker.queues import Binding, QueueFolder

LIMIT_SECONDS = 60

names = st.text(st.characters(codec=None), max_size=300) | st.sampled_from(
    ["", ".", "..", "../../etc/passwd", "/", "a/b", "a.b", "nul\0byte", "%2E", "%", "~", "\ud800"]
)


def put_all(queues, name, *numbers, priority=0):
    for number in numbers:
        queues.put(name, str(number).encode(), priority)


def take_all(queues, name):
    taken = []
    while message := queues.take(name):
        taken.append(int(message.payload))
    return taken


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "broker"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=30))
@settings(max_examples=30, deadline=None)
def test_order(tmp_path_factory, puts):
    """Priority first; within one the order in which each connection put them."""
    folder = tmp_path_factory.mktemp("order")
    publishers = [QueueFolder(folder) for _ in range(3)]
    for position, (priority, publisher) in enumerate(puts):
        put_all(publishers[publisher], "jobs", position, priority=priority)
    taken = [puts[position] + (position,) for position in take_all(QueueFolder(folder), "jobs")]

    assert [-row[0] for row in taken] == sorted(-row[0] for row in taken)
    for publisher in range(3):
        own = [(-row[0], row[2]) for row in taken if row[1] == publisher]
        assert own == sorted(own)
    assert len(taken) == len(puts)


@given(st.lists(names, unique=True, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_names(tmp_path_factory, queue_names):
    """Any text names a queue and an exchange of its own, inside the folder."""
    outer = tmp_path_factory.mktemp("hostile")
    queues = QueueFolder(outer / "broker")
    for number, name in enumerate(queue_names):
        queues.create(name, auto_delete=True)
        queues.bind(name, Binding(name, "", name))
        put_all(queues, name, number)
    found = [take_all(queues, name) for name in queue_names]
    bound = [queues.bindings(name) for name in queue_names]

    assert found == [[number] for number in range(len(queue_names))]
    assert bound == [[Binding(name, "", name)] for name in queue_names]
    assert [path.name for path in outer.iterdir()] in (["broker"], [])


def test_concurrent_readers_and_writers(folder):
    """Of 2000 messages of 20 kB each arrives once and whole, at one of four readers."""
    body = "x" * 20_000
    arrived = [[] for _ in range(4)]
    done = threading.Event()

    def write(writer):
        queues = QueueFolder(folder)
        for number in range(500):
            queues.put("jobs", json.dumps([writer, number, body]).encode())

    def read(reader):
        queues = QueueFolder(folder)
        while True:
            last_look = done.is_set()
            message = queues.take("jobs")
            if message is None and last_look:
                return
            if message is not None:
                writer, number, text = json.loads(message.payload)
                arrived[reader].append((writer, number, text == body))
                queues.settle(message.tag)

    writers = [threading.Thread(target=write, args=[n]) for n in range(4)]
    readers = [threading.Thread(target=read, args=[n]) for n in range(4)]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    everything = [row for rows in arrived for row in rows]

    assert sorted(everything) == [(w, n, True) for w in range(4) for n in range(500)]
    assert not [path for path in folder.rglob("*.[0-9]") if path.is_file()]


READ_AND_WAIT = """
import sys, time
from pathlib import Path
from rootcellar.broker.queues import QueueFolder
queues = QueueFolder(Path(sys.argv[1]))
queues.create("mine", auto_delete=True)
queues.bind("news", ("", "", "mine"))
queues.put("mine", b"0")
print(queues.take("jobs").payload.decode(), flush=True)
time.sleep(600)
"""
WRITE_FOREVER = """
import sys
from pathlib import Path
from rootcellar.broker.queues import QueueFolder
queues = QueueFolder(Path(sys.argv[1]))
for number in range(10**9):
    queues.put("jobs", b"%d" % number * 20_000)
    print(number, flush=True)
"""
FORK_AND_WAIT = """
import os, sys, time
from pathlib import Path
from rootcellar.broker.queues import QueueFolder
queues = QueueFolder(Path(sys.argv[1]))
taken = queues.take("jobs")
if os.fork() == 0:
    queues.settle(taken.tag)   # not the child's to settle,
    queues.give_back(taken.tag)  # nor to give back,
    queues.close()
    print(os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""


def run(script, folder):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=LIMIT_SECONDS)


def test_killed_reader(folder):
    """A killed reader's message goes back to its place; the queues that were its alone go."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1, 2)
    reader = run(READ_AND_WAIT, folder)
    read = reader.stdout.readline().strip()
    queues.sweep()
    while_alive = queues.size("jobs"), queues.size("mine"), queues.bindings("news")
    kill(reader)
    queues.sweep()
    first = queues.take("jobs")

    assert read == "1"
    assert while_alive == (1, 1, [Binding("", "", "mine")])
    assert (first.payload, first.redelivered) == (b"1", True)
    assert take_all(queues, "jobs") == [2]
    assert not queues.exists("mine")
    assert queues.bindings("news") == []


def test_killed_writer(folder):
    """A writer killed in the middle leaves whole messages only, and all it had put."""
    writer = run(WRITE_FOREVER, folder)
    for _ in range(50):
        last = int(writer.stdout.readline())
    kill(writer)
    queues = QueueFolder(folder)
    bodies = []
    while message := queues.take("jobs"):
        bodies.append(message.payload)

    assert bodies == [b"%d" % number * 20_000 for number in range(len(bodies))]
    assert len(bodies) > last


def test_killed_parent_of_a_living_child(folder):
    """A fork's child neither touches what its parent took nor keeps it after the parent's end."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1)
    parent = run(FORK_AND_WAIT, folder)
    child = int(parent.stdout.readline())
    queues.sweep()
    while_alive = queues.size("jobs")
    parent.kill()
    parent.wait(LIMIT_SECONDS)
    queues.sweep()
    after = take_all(queues, "jobs")
    os.kill(child, signal.SIGKILL)
    parent.stdout.close()

    assert while_alive == 0
    assert after == [1]


def test_dead_namesake(folder):
    """A queue for one connection does not inherit what waited for a dead one of that name."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1)
    reader = run(READ_AND_WAIT, folder)
    reader.stdout.readline()
    kill(reader)
    queues.create("mine", auto_delete=True)

    assert queues.size("mine") == 0


def test_queue_shared_by_name_stays(folder):
    """A queue made by two connections goes with the last one."""
    first, second = QueueFolder(folder), QueueFolder(folder)
    first.create("shared", auto_delete=True)
    second.create("shared", auto_delete=True)
    first.close()
    after_first = second.exists("shared")
    second.close()

    assert after_first
    assert not second.exists("shared")


def test_settled_elsewhere_is_harmless(folder):
    """Settling or giving back twice, or after the connection closed, does nothing."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1)
    message = queues.take("jobs")
    queues.close()
    queues.settle(message.tag)
    queues.give_back(message.tag)
    again = queues.take("jobs")
    queues.settle(again.tag)
    queues.settle(again.tag)
    queues.give_back(again.tag)

    assert again.payload == b"1"
    assert queues.size("jobs") == 0


@pytest.mark.parametrize("name", ["stray", "stray.tmp", "0-1.x.0", "é.1"])
def test_stray_file(folder, name):
    """A file that nobody put as a message can be taken and given back like one."""
    queues = QueueFolder(folder)
    queues.create("jobs")
    (folder / "queues" / "jobs" / name).write_bytes(b"stray")
    queues.give_back(queues.take("jobs").tag)
    again = queues.take("jobs")

    assert (again.payload, again.redelivered) == (b"stray", True)


def test_removed_folder_is_made_again(folder):
    """A folder that was removed under a connection is as good as new."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1)
    folder.rename(folder.with_name("away"))
    empty = queues.take("jobs")
    put_all(queues, "jobs", 2)

    assert empty is None
    assert take_all(queues, "jobs") == [2]


def test_clock_set_back(folder, monkeypatch):
    """Messages stay in order when the clock goes backwards."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1)
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    put_all(queues, "jobs", 2, 3)

    assert take_all(queues, "jobs") == [1, 2, 3]


def test_purge_leaves_what_is_taken(folder):
    """Purging removes what is ready, and says how much."""
    queues = QueueFolder(folder)
    put_all(queues, "jobs", 1, 2, 3)
    taken = queues.take("jobs")
    purged = queues.purge("jobs")
    queues.give_back(taken.tag)

    assert purged == 2
    assert queues.size("jobs") == 1


def test_many_bind_at_once(folder):
    """Bindings made at the same time are all kept."""
    threads = [
        threading.Thread(target=QueueFolder(folder).bind, args=["x", Binding(str(n), "", "q")])
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {row.routing_key for row in QueueFolder(folder).bindings("x")} == set(
        map(str, range(40))
    )


def test_nothing_is_made_by_looking(folder):
    """Looking into a folder that is not there makes nothing."""
    queues = QueueFolder(Path(folder))
    queues.sweep()
    looks = queues.size("q"), queues.take("q"), queues.bindings("x"), queues.exists("q")

    assert looks == (0, None, [], False)
    assert not folder.exists()
