from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fresh import FailedError, call_fresh
from benchmarks.page import write_page
from benchmarks.place import differing
from benchmarks.results import load, merge, save
from benchmarks.suite import OURS, Row, Run, Series, interleaved, rows_of
from benchmarks.targets import TARGETS, check

ROOT = Path(__file__).parents[2]
MACHINE = {
    "date": "2026-01-01",
    "cores": 2,
    "cpu": "a processor",
    "memory_gb": 24.0,
    "kernel": "6.1",
    "python": "3.11.2",
    "versions": {"s3fs": "1"},
}


def row(name="download-2g", peer="s3fs", **given):
    values = {"ours": 1.0, "theirs": 0.5, "unit": "GB/s", "ratio": 2.0, "runs": 3}
    return Row(name=name, peer=peer, **{**values, "spread": (0.4, 0.6), **given})


def test_a_quick_benchmark_gives_a_row_per_peer(runs_here, tmp_path):
    """Ours and every peer has a figure, or the reason why there is none."""
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "download-2g"]

    done = subprocess.run(
        [*command, "--results", str(results)], cwd=ROOT, capture_output=True, check=False
    )
    header, rows = load(results)

    assert done.returncode == 0, done.stderr
    assert {OURS, "limit client", "s3fs", "curl", "aws-cli"} <= {one.peer for one in rows}
    assert [] == [one.peer for one in rows if one.theirs is None and not one.note]
    ours = next(one for one in rows if one.peer == OURS)
    assert (ours.ours, 1.0) == (ours.theirs, ours.ratio)
    assert str(ROOT) not in results.read_text()
    assert "cores" in header


def test_an_unknown_name_is_refused(tmp_path):
    """A typo does not look like a benchmark of nothing."""
    command = [sys.executable, "-m", "benchmarks", "--only", "download-3g"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (1, True) == (done.returncode, "download-3g" in done.stdout)


def test_a_ratio_above_one_is_better():
    """More of a rate is better, and less of a time."""
    series = {OURS: Series([Run(2.0)]), "peer": Series([Run(1.0)])}

    assert [1.0, 2.0] == [one.ratio for one in rows_of("x", "GB/s", series)]
    assert [1.0, 0.5] == [one.ratio for one in rows_of("x", "ms", series)]


def test_a_row_holds_median_and_spread():
    """One odd run moves the spread and not the figure."""
    series = {OURS: Series([Run(1.0, 3.0, 10), Run(9.0, 1.0, 30), Run(2.0, 2.0, 20)])}

    (found,) = rows_of("x", "GB/s", series)

    assert (2.0, (1.0, 9.0), 2.0, 30) == (
        found.theirs,
        found.spread,
        found.cpu_s_per_gb,
        found.rss_bytes,
    )


def test_peers_take_turns():
    """Each round has every peer once; one that fails is named and not asked again."""
    asked = []

    def measure(peer):
        asked.append(peer)
        if peer == "broken":
            raise FailedError("it broke")
        return Run(1.0)

    series = interleaved(["a", "b", "broken"], measure, rounds=lambda p: 2 if p == "b" else 3)

    assert {"a", "b", "broken"} == set(asked[:3])
    assert (3, 2, 0) == tuple(len(series[peer].runs) for peer in ("a", "b", "broken"))
    assert ("it broke", 1) == (series["broken"].note, asked.count("broken"))


def test_a_process_that_takes_too_long_is_ended():
    """Its group is gone, and the error says so."""
    with pytest.raises(FailedError, match="not done within"):
        call_fresh("signal:pause", {}, limit_seconds=1.0)


def test_differing_bytes_are_found(tmp_path):
    """A flipped, a missing and a further byte are all seen."""
    source, same = tmp_path / "source", tmp_path / "same"
    source.write_bytes(b"sun wind rain")
    same.write_bytes(b"sun wind rain")
    wrong = []
    for number, content in enumerate((b"sun Wind rain", b"sun wind", b"sun wind rain!")):
        path = tmp_path / str(number)
        path.write_bytes(content)
        wrong.append(differing(source, [path]))

    assert "" == differing(source, [same])
    assert all(wrong)


def test_measuring_one_keeps_the_others(tmp_path):
    """New rows replace those of their name, all of them, and no other."""
    path = tmp_path / "results.json"
    old = [row("a", "gone"), row("b")]
    save(MACHINE, merge(old, [row("a", "new")]), path)

    assert (MACHINE, [row("b"), row("a", "new")]) == load(path)


def test_results_are_plain_json(tmp_path):
    """A row has the columns that were promised."""
    path = tmp_path / "results.json"
    save(MACHINE, [row()], path)
    columns = [
        "name",
        "peer",
        "ours",
        "theirs",
        "unit",
        "ratio",
        "runs",
        "spread",
        "cpu_s_per_gb",
        "rss_bytes",
    ]

    assert set(columns) <= set(json.loads(path.read_text())["rows"][0])


def test_targets_are_checked():
    """A threshold is met, or not, or nobody measured it."""
    checked = {
        (one.target.name, one.target.what): one.meets(one.target.least)
        for one in check([row(), row(peer="curl", ratio=0.9)])
    }

    assert True is checked["download-2g", "times s3fs"]
    assert False is checked["download-2g", "times curl"]
    assert None is checked["upload-2g", "times s3fs"]
    assert len(TARGETS) == len(checked)


def test_the_page_says_what_is_not_met(tmp_path):
    """The page holds every threshold with its verdict, and reasons for missing figures."""
    page = tmp_path / "benchmarks.md"
    missing = row(peer="s5cmd", theirs=None, ratio=None, spread=None, note="not installed | here")

    write_page(MACHINE, [row(peer="curl", ratio=0.9), row(), missing], page, drawings=False)
    text = page.read_text()

    assert "**not met**" in text
    assert "s5cmd: not installed / here" in text
    assert all(target.what in text for target in TARGETS)
