from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bucket(project: Path) -> Path:
    """A store that others filled."""
    folder = project / ".rootcellar" / "stores" / "raw" / "weather"
    folder.mkdir(parents=True)
    for name in ("03.dat", "04.dat", "README"):
        (folder / name).write_text("sun\n")
    return folder


def test_a_bucket_becomes_artifacts(call, ask, bucket: Path) -> None:
    """First what would be, then it; then all is known."""
    dry = ask("import", "raw://weather/", "--dry-run")
    shown = call("import", "raw://weather/").stdout.splitlines()
    again = ask("import", "raw://weather/")

    assert (True, 2, 1) == (dry["is_dry_run"], dry["new"], dry["loose"])
    assert "2 entered (8 B), 0 known, 1 of no type" == shown[-1]
    assert (0, 2, False) == (again["new"], again["known"], again["is_dry_run"])
    assert {"new", "no type"} == {row["state"] for row in dry["found"]}
    assert 2 == len(ask("ls", "weather")["versions"])


def test_nothing_there_is_an_error(refuse, bucket: Path) -> None:
    """As a wrong URI is."""
    assert "nothing is there" == refuse("import", "raw://elsewhere")["problem"]
