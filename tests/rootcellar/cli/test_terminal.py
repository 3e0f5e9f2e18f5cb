from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rootcellar.cli.terminal import Column, Terminal

if TYPE_CHECKING:
    import pytest

COLUMNS = (
    Column("name", least=8),
    Column("seq", right=True),
    Column("note", least=6, rank=1),
    Column("host", rank=2),
)
ROWS = [["generation", "1", "a long remark", "vm"], ["weather", "12", "", "vm"]]


def table(across: int | None, monkeypatch: pytest.MonkeyPatch, rows=ROWS) -> list[str]:
    if across is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(across))
    stream = io.StringIO()
    Terminal(stream).table(COLUMNS, rows)
    return stream.getvalue().splitlines()


def test_pipe_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is dropped or shortened."""
    assert table(None, monkeypatch) == [
        "name        seq  note           host",
        "generation    1  a long remark  vm",
        "weather      12                 vm",
    ]


def test_least_important_columns_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranked columns are dropped from the highest on."""
    assert table(24, monkeypatch)[0] == "name       seq  note"
    assert table(14, monkeypatch)[0] == "name       seq"


def test_long_cells_are_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays is cut with an ellipsis, down to its least width."""
    assert table(24, monkeypatch)[1] == "generati…    1  a long…"
    assert max(map(len, table(13, monkeypatch))) == 13


def test_empty_columns_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that no row fills takes no room."""
    assert table(None, monkeypatch, [["weather", "1", "", ""]])[0] == "name     seq"


def test_control_characters_do_not_reach_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell cannot drive the terminal."""
    shown = "\n".join(table(None, monkeypatch, [["\x1b[31mred\n", "1", "", ""]]))

    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2
