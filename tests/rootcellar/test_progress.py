"""Progress: a bar for people, lines for workers, silence for what is quick."""

import io
import logging
import subprocess
import sys
import threading
import time

import pytest

from rootcellar.progress import _size, _span, reporter


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "rootcellar.progress")

    def said():
        return [record.getMessage() for record in caplog.records]

    return said


@pytest.fixture
def open_terminal(monkeypatch):
    # Called in the test: pytest puts its own standard error back after the fixtures.
    def open_terminal():
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        return terminal

    return open_terminal


def test_lines(clock, lines):
    """After five seconds a line, then one every thirty, then the sum."""
    progress = reporter("log", clock)
    progress.start("weather[3]", 600_000_000)
    for _ in range(40):
        clock.now += 1
        progress.advance(10_000_000)
    progress.finish()

    assert lines() == [
        "weather[3]: 50.0 MB of 600 MB (8%), 10.0 MB/s, 55.0 s left",
        "weather[3]: 350 MB of 600 MB (58%), 10.0 MB/s, 25.0 s left",
        "weather[3]: 400 MB in 40.0 s, 10.0 MB/s",
    ]


def test_the_rate_is_that_of_late(clock, lines):
    """Smoothed over some ten seconds: neither the average of all, nor of the last moment."""
    progress = reporter("log", clock)
    progress.start("x", 10_000_000_000)
    for size in [100_000_000] * 5 + [10_000_000] * 30:
        clock.now += 1
        progress.advance(size)
    rates = [float(line.split(", ")[1].removesuffix(" MB/s")) for line in lines()]

    assert rates[0] == 100.0
    assert 10.0 < rates[1] < 20.0


def test_what_is_done_again_is_not_done(clock, lines):
    """A download that starts over takes its bytes back, and has no negative speed."""
    progress = reporter("log", clock)
    progress.start("x", 1_000_000)
    clock.now += 5
    progress.advance(600_000)
    clock.now += 30
    progress.advance(-600_000)

    assert lines()[1].startswith("x: 0 B of 1.0 MB (0%), ")
    assert "-" not in lines()[1]


def test_the_total_may_grow_and_shrink(clock, lines):
    """A folder's is known once its manifest is read, and what is here need not move."""
    progress = reporter("log", clock)
    progress.expect(1)
    progress.start("x", 0)
    progress.expect(900_000)
    progress.expect(-400_000)
    clock.now += 5
    progress.advance(250_000)
    progress.start("unknown", None)
    progress.expect(10)
    clock.now += 5
    progress.advance(5)

    assert lines() == [
        "x: 250 kB of 500 kB (50%), 50.0 kB/s, 5.0 s left",
        "unknown: 5 B of 10 B (50%), 1 B/s, 5.0 s left",
    ]


def test_unknown_total(clock, lines):
    """Without a total there is no share and no time left."""
    progress = reporter("log", clock)
    progress.start("x", None)
    clock.now += 5
    progress.advance(2_500)

    assert lines() == ["x: 2.5 kB in 5.0 s, 500 B/s"]


def test_nothing_to_transfer(clock, lines):
    """An empty or a longer file than expected is reported without nonsense."""
    progress = reporter("log", clock)
    progress.start("empty", 0)
    clock.now += 6
    progress.advance(0)
    progress.start("longer", 1)
    clock.now += 6
    progress.advance(2)

    assert lines() == ["empty: 0 B of 0 B, 0 B/s", "longer: 2 B of 1 B (200%), 0 B/s"]


@pytest.mark.parametrize("mode", ["log", "bar"])
def test_quick_is_silent(clock, lines, open_terminal, mode):
    """A transfer of less than two seconds is not worth a bar, nor one of less than five a line."""
    terminal = open_terminal()
    progress = reporter(mode, clock)
    progress.start("x", 10)
    clock.now += {"bar": 1.9, "log": 4.9}[mode]
    progress.advance(10)
    progress.finish()

    assert lines() == []
    assert terminal.getvalue() == ""


def test_off(clock, lines, open_terminal):
    """Off is off, however long it takes."""
    terminal = open_terminal()
    progress = reporter("off", clock)
    progress.start("x", 10)
    clock.now += 100
    progress.advance(10)
    progress.finish()

    assert lines() == []
    assert terminal.getvalue() == ""


def test_bar(clock, lines, open_terminal):
    """A slow transfer draws a bar on standard error, with the label as it is, and no line."""
    terminal = open_terminal()
    progress = reporter("auto", clock)
    progress.start("weather[3]", 1_000)
    clock.now += 3
    progress.advance(500)
    clock.now += 1
    progress.expect(1_000)
    progress.advance(500)
    progress.finish()
    drawn = terminal.getvalue()

    assert "weather[3]" in drawn
    assert "1.0 kB of 2.0 kB (50%)" in drawn
    assert lines() == []


def test_a_bar_says_what_a_line_says(clock, open_terminal, monkeypatch):
    """With the rate of late and the time left, in one line of 80 columns; a uid by its end."""
    monkeypatch.setenv("COLUMNS", "80")
    terminal = open_terminal()
    progress = reporter("bar", clock)
    progress.start("pull[01a20553-8a6f-7678-b0ec-21a0e3b9a83c]: staging in", 100_000_000)
    for _ in range(4):
        clock.now += 1
        progress.advance(10_000_000)
    progress.finish()
    drawn = terminal.getvalue()

    assert "pull[e3b9a83c]: staging in" in drawn
    assert "40.0 MB of 100 MB (40%), 10.0 MB/s, 6.0 s left" in drawn


def test_auto_without_a_terminal(clock, lines, monkeypatch):
    """Where standard error is no terminal, or is not there, lines are logged."""
    for stderr in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stderr)
        progress = reporter("auto", clock)
        progress.start("x", 10)
        clock.now += 6
        progress.advance(10)
        progress.finish()

    assert len(lines()) == 4


@pytest.mark.parametrize("mode", ["log", "bar", "off"])
def test_out_of_order_calls(clock, open_terminal, mode):
    """Advancing before the start or after the end, and ending twice, harm nothing."""
    open_terminal()
    progress = reporter(mode, clock)
    progress.advance(1)
    progress.finish()
    progress.start("x", 10)
    clock.now += 5
    progress.advance(1)
    progress.start("y", 10)
    clock.now += 5
    progress.advance(1)
    progress.finish()
    progress.finish()
    progress.advance(1)
    progress.finish()


@pytest.mark.parametrize("mode", ["log", "bar"])
def test_threads(clock, lines, open_terminal, mode):
    """Bytes of many threads are all counted, and one of them speaks."""
    terminal = open_terminal()
    progress = reporter(mode, clock)
    progress.start("x", 80_000)
    clock.now += 6

    def work():
        for _ in range(1_000):
            progress.advance(10)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.finish()

    if mode == "log":
        assert lines()[1:] == ["x: 80.0 kB in 6.0 s, 13.3 kB/s"]
    else:
        assert "80.0 kB of 80.0 kB (100%)" in terminal.getvalue()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (123_456, "123 kB"),
        (5e11, "500 GB"),
        (2e16, "20000 TB"),
        (-2_000, "-2.0 kB"),
    ],
)
def test_sizes(count, text):
    """Sizes are read at a glance."""
    assert _size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.9, "59.9 s"),
        (61, "1 min 1 s"),
        (3_599.9, "1 h 0 min"),
        (7_640, "2 h 7 min"),
    ],
)
def test_spans(seconds, text):
    """Times are read at a glance."""
    assert _span(seconds) == text


def test_rich_is_not_paid_for():
    """A worker that logs does not import rich."""
    code = (
        "import sys; from rootcellar.progress import reporter; p = reporter('log', lambda: 0.0); "
        "p.start('x', 1); p.advance(1); p.finish(); print('rich' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("mode", ["log", "off", "auto"])
def test_a_short_run_pays_nothing(mode):
    """Where nothing takes long, a reporter is a few microseconds of a run, and no thread."""

    def run():
        began = time.perf_counter()
        progress = reporter(mode)
        for doing in ("in", "out"):
            progress.start(doing, 10)
            progress.advance(10)
            progress.finish()
        return time.perf_counter() - began

    threads = set(threading.enumerate())
    quickest = min(run() for _ in range(300))

    assert 30e-6 > quickest  # of an idle machine it is a third
    assert set() == set(threading.enumerate()) - threads  # of earlier tests some may end
