"""A disk that is too small for what a run wants, or writes."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace

import pytest

from rootcellar.schemas.errors import CacheFull, CacheUnusable
from rootcellar.testing import Fault, Match

DISK = 4 * 1024 * 1024
SMALL = random.Random(1).randbytes(200_000)
TOO_BIG = random.Random(2).randbytes(DISK + 1000)
MUCH = TOO_BIG[: 3 * DISK // 4]
GETS = Match(method="GET")


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


@pytest.fixture
def nobody_waits(monkeypatch):
    """Nobody holds anything on this host, so that there is nothing to wait for."""
    wait = "rootcellar.staging.cache.admission.Admission._wait_for_release"
    monkeypatch.setattr(wait, lambda *_: pytest.fail("waited"))


def test_an_input_larger_than_the_disk(cramped):
    """It is refused before a byte of it comes, for good; what fits is staged."""
    cramped.put("big", TOO_BIG)
    cramped.put("small", SMALL)

    with pytest.raises(CacheUnusable, match=r"4\.2 MB.*budget is 3\.4 MB") as raised:
        cramped.stage("big")

    assert not raised.value.transient
    assert cramped.uri("big") == raised.value.uri
    assert () == cramped.proxy.matching(GETS)
    assert {} == cramped.entries()
    assert SMALL == cramped.stage("small")


def test_an_input_for_which_others_left_no_space(cramped, nobody_waits):
    """It is refused before a byte of it comes, at once, and can be had when they are gone."""
    cramped.put("big", MUCH)
    cramped.put("small", SMALL)
    others = cramped.home / "others"
    others.write_bytes(bytes(DISK // 2))

    with pytest.raises(CacheFull, match="of the disk are free") as raised:
        cramped.stage("big")

    assert raised.value.transient
    assert () == cramped.proxy.matching(GETS)
    assert {} == cramped.entries()
    assert SMALL == cramped.stage("small")
    others.unlink()
    assert MUCH == cramped.stage("big")


def test_the_disk_fills_while_an_input_comes(cramped, nobody_waits):
    """Another process takes the space: an error, and nothing of the input is left."""
    cramped.put("a", MUCH)

    others = cramped.home / "others"
    fill = Fault.before(lambda: others.write_bytes(bytes(DISK // 2)))
    cramped.proxy.add(fill, when=GETS)

    with pytest.raises(CacheFull, match="of the disk are free"):
        cramped.stage("a")

    assert {} == cramped.entries()
    others.unlink()
    assert MUCH == cramped.stage("a")


def test_no_space_to_keep_an_output_fails_nobody(cramped):
    """What is published is published."""
    content = TOO_BIG[: DISK - 300_000]

    cramped.publish(("a", content))

    assert content == cramped.get("a")
