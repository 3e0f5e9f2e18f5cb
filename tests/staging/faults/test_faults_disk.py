"""A disk that is too small for what a run wants, or writes."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace

import pytest

from rootcellar.schemas.errors import CacheUnusable
from rootcellar.testing import Fault, Match

DISK = 4 * 1024 * 1024
SMALL = random.Random(1).randbytes(200_000)
TOO_BIG = random.Random(2).randbytes(DISK + 1000)


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("file systems may not be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def cramped(bench, small_disk):
    return replace(bench, home=small_disk)


@pytest.mark.parametrize("ranges", ["one range", "many ranges"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "half full"])
def test_an_input_larger_than_the_disk(cramped, monkeypatch, ranges, filled):
    """A clear error; the space comes back, and what fits is staged."""
    if ranges == "one range":
        monkeypatch.setattr("rootcellar.staging.transfer.RANGE_BYTES", 2 * DISK)
    cramped.put("big", TOO_BIG if not filled else TOO_BIG[: 3 * DISK // 4])
    cramped.put("small", SMALL)
    if filled:
        (cramped.home / "others").write_bytes(bytes(DISK // 2))

    with pytest.raises(CacheUnusable, match=r"(?i)space"):
        cramped.stage("big")

    assert {} == cramped.entries()
    assert SMALL == cramped.stage("small")


def test_the_disk_fills_while_an_input_comes(cramped, monkeypatch):
    """Another process takes the space: an error, and nothing of the input is left."""
    monkeypatch.setattr("rootcellar.staging.transfer.RANGE_BYTES", 2 * DISK)
    cramped.put("a", TOO_BIG[: 3 * DISK // 4])

    others = cramped.home / "others"
    fill = Fault.before(lambda: others.write_bytes(bytes(DISK // 2)))
    cramped.proxy.add(fill, when=Match(method="GET"))

    with pytest.raises(CacheUnusable, match=r"(?i)space"):
        cramped.stage("a")

    assert {} == cramped.entries()
    others.unlink()
    assert TOO_BIG[: 3 * DISK // 4] == cramped.stage("a")


def test_no_space_to_keep_an_output_fails_nobody(cramped):
    """What is published is published."""
    content = TOO_BIG[: DISK - 300_000]

    cramped.publish(("a", content))

    assert content == cramped.get("a")
