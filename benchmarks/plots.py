"""Bars with whiskers, ours in colour: docs/assets/bench-*.svg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import ROOT
from benchmarks.suite import OURS, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suite import Row

__all__ = ["ASSETS", "FIGURES", "Figure", "draw"]

ASSETS = ROOT / "docs" / "assets"
OUR_COLOUR, LIMIT_COLOUR, PEER_COLOUR, INK = "#c2562d", "#8a8f98", "#b9c7d6", "#2b2b2b"
REFERENCES = {"limit client", "os.link", "bare task", "one process alone"}
ROW_INCHES = 0.3


@dataclass(frozen=True, slots=True)
class Figure:
    """One drawing.

    Attributes:
        file: Its name, without `bench-` and `.svg`.
        says: What it shows, for readers who do not see it.
        panels: Names of benchmarks, with a title each.
        logarithmic: Whether times lie too far apart for one straight scale.
    """

    file: str
    says: str
    panels: tuple[tuple[str, str], ...]
    logarithmic: bool = False


FIGURES = (
    Figure(
        "2g",
        "Rates of all peers with one object of 2 GB",
        (("download-2g", "Download, one of 2 GB"), ("upload-2g", "Upload, one of 2 GB")),
    ),
    Figure(
        "20k",
        "Rates of all peers with 5,000 objects of 20 KB",
        (("download-20k", "Download, 5,000 of 20 KB"), ("upload-20k", "Upload, 5,000 of 20 KB")),
    ),
    Figure(
        "10m",
        "Rates of all peers with 200 objects of 10 MB",
        (("download-10m", "Download, 200 of 10 MB"), ("upload-10m", "Upload, 200 of 10 MB")),
    ),
    Figure(
        "tasks",
        "Round trips of a bare task, a staged one and one with boto3 by hand",
        (
            ("task-redis", "Redis, cached input"),
            ("task-redis-key", "Redis, by its key"),
            ("task-redis-output", "Redis, and an output"),
            ("task-rabbitmq", "RabbitMQ, cached input"),
            ("task-rabbitmq-key", "RabbitMQ, by its key"),
            ("task-rabbitmq-output", "RabbitMQ, and an output"),
        ),
    ),
    Figure(
        "hits",
        "Time of a cached input beside a bare hard link, a HEAD request and a copy",
        (("hit-one", "One cached input"), ("hit-100", "A hundred cached inputs")),
        logarithmic=True,
    ),
)


def draw(rows: Sequence[Row]) -> list[Figure]:
    """Write every figure that all panels have rows for, and return these figures."""
    drawn = []
    for figure in FIGURES:
        panels = [_measured(rows, name) for name, _ in figure.panels]
        if all(panels):
            _draw(figure, panels)
            drawn.append(figure)
    return drawn


def _measured(rows: Sequence[Row], name: str) -> list[Row]:
    found = [row for row in rows if row.name == name and row.theirs is not None]
    more = bool(found) and found[0].unit.endswith("/s")
    return sorted(found, key=lambda row: (row.theirs or 0) * (1 if more else -1))


def _draw(figure: Figure, panels: list[list[Row]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 (in the benchmarks' environment only)

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    # The same rows give the same file; text stays text, in the reader's own font.
    mpl.rcParams.update(
        {
            "svg.hashsalt": figure.file,
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 9,
            "text.color": INK,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    columns = 2
    lines = -(-len(panels) // columns)
    height = lines * (max(len(rows) for rows in panels) * ROW_INCHES + 0.9)
    canvas, axes = plt.subplots(lines, columns, figsize=(9.5, height), squeeze=False)
    for place, rows, (_, title) in zip(axes.flat, panels, figure.panels, strict=False):
        _panel(place, rows, title, logarithmic=figure.logarithmic)
    canvas.tight_layout(w_pad=3)
    path = ASSETS / f"bench-{figure.file}.svg"
    canvas.savefig(path, facecolor="white", metadata={"Date": None, "Title": figure.says})
    plt.close(canvas)
    # Blanks at the ends of lines are nothing to a drawing.
    lines_of = path.read_text("utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines_of), "utf-8")


def _panel(place: Any, rows: list[Row], title: str, *, logarithmic: bool) -> None:
    names = [row.peer for row in rows]
    values = [row.theirs or 0.0 for row in rows]
    spreads = [row.spread or (value, value) for row, value in zip(rows, values, strict=True)]
    whiskers = [
        [value - low for value, (low, _) in zip(values, spreads, strict=True)],
        [high - value for value, (_, high) in zip(values, spreads, strict=True)],
    ]
    place.barh(names, values, color=[_colour(name) for name in names], height=0.68)
    place.errorbar(values, names, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=0.8, capsize=2)
    top = max(high for _, high in spreads)
    if logarithmic:
        place.set_xscale("log")
        place.set_xlim(min(low for low, _ in spreads) / 3, top * 8)
    else:
        place.set_xlim(0, top * 1.22)
    for name, value, (_, high) in zip(names, values, spreads, strict=True):
        gap = high * 1.12 if logarithmic else high + top * 0.015
        weight = "bold" if name == OURS else "normal"
        place.text(gap, name, short(value), va="center", fontsize=8, fontweight=weight)
    less = "" if rows[0].unit.endswith("/s") else ", less is better"
    place.set_xlabel(f"{rows[0].unit}{less}")
    place.set_title(title, loc="left", fontsize=10, fontweight="bold")
    place.spines[["top", "right"]].set_visible(False)
    place.tick_params(axis="y", length=0)
    for label in place.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == OURS else "normal")


def _colour(peer: str) -> str:
    if peer == OURS:
        return OUR_COLOUR
    return LIMIT_COLOUR if peer in REFERENCES else PEER_COLOUR
