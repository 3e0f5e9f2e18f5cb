from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "cellar_grid"


@pytest.fixture
def kept(filled: Path) -> Path:
    """The project after three runs more, with a retention that came later."""
    text = (
        (filled / f"{MODULE}.py")
        .read_text()
        .replace("import OUTPUT,", "import OUTPUT, Retention,")
        .replace(
            'tilt={tilt}.json", format=Json())',
            'tilt={tilt}/{version}.json", format=Json(), retention=Retention(last=1))',
        )
    )
    (filled / f"{MODULE}.py").write_text(text)
    del sys.modules[MODULE]
    return filled


def test_nothing_is_deleted_before_it_is_applied(call, ask, kept: Path) -> None:
    """First the list, then --apply, then it is told what could be made again."""
    for _ in range(2):
        call("-A", MODULE, "types")
        sys.modules[MODULE].simulate.delay(weather=3, tilt=10)
    first = ask("retain")
    again = ask("retain")
    shown = call("retain").stdout.splitlines()
    done = ask("retain", "--apply")
    told = ask("deleted", "generation")["versions"]

    assert first == again
    assert {"generation": {"last": 1, "days": None, "used": False}} == first["policies"]
    assert first["freed_bytes"] == done["freed_bytes"] > 0
    assert shown[-1].endswith("Nothing was deleted: that is for --apply.")
    assert len(first["versions"]) == done["deleted"] == len(told) > 0
    assert {("deleted", True, "simulate")} == {
        (one["state"], one["is_rebuildable"], one["task"]) for one in told
    }
    assert "Nothing is left over.\n" == call("retain").stdout
    assert "deleted" in call("deleted").stdout


def test_without_a_retention_all_is_kept(call, filled: Path) -> None:
    """And nothing was deleted."""
    assert call("retain").stdout == "No type has a retention, so all is kept.\n"
    assert call("deleted").stdout == "Nothing was deleted.\n"
