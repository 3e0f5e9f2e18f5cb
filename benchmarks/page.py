"""docs/benchmarks.md, written from results.json: what was promised, and what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.fresh import ROOT
from benchmarks.plots import draw
from benchmarks.suite import OURS, short
from benchmarks.targets import check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.plots import Figure
    from benchmarks.suite import Row
    from benchmarks.targets import Checked

__all__ = ["PAGE", "write_page"]

PAGE = ROOT / "docs" / "benchmarks.md"
HOW = ROOT / "benchmarks" / "how.md"
GROUPS = {
    "One object of 2 GB": ("download-2g", "download-2g-plain", "upload-2g"),
    "5,000 objects of 20 KB": ("download-20k", "upload-20k"),
    "200 objects of 10 MB": ("download-10m", "upload-10m"),
    "Cached inputs": (
        "hit-one",
        "hit-100",
        "hit-100-same-name",
        "hit-100-task",
        "cold-64",
        "cold-64-downloads",
    ),
    "A task's round trip": (
        "task-redis",
        "task-redis-key",
        "task-redis-output",
        "task-rabbitmq",
        "task-rabbitmq-key",
        "task-rabbitmq-output",
    ),
    "A folder of 100,000 files of 10 KB": (
        "folder-100k",
        "folder-100k-publish",
        "folder-100k-manifest",
    ),
    "Recording a run": (
        "record-sqlite",
        "record-postgres",
        "record-postgres-trips",
        "catalog-size",
    ),
    "A catalog of 10 million edges": (
        "upstream-1000",
        "upstream-1000-postgres",
        "downstream-10000",
        "downstream-10000-postgres",
        "stale-100k",
        "stale-100k-postgres",
        "table-100k",
        "table-100k-postgres",
    ),
    "Against moto": ("truth-download", "truth-upload"),
    "Starting": ("import", "cli-help", "demo", "demo-again"),
}
FIGURE_OF = {
    "One object of 2 GB": "2g",
    "5,000 objects of 20 KB": "20k",
    "200 objects of 10 MB": "10m",
    "Cached inputs": "hits",
    "A task's round trip": "tasks",
}
MB = 1e6
TIMES = "×"  # noqa: RUF001 (the sign itself)


def write_page(
    machine: dict[str, Any], rows: Sequence[Row], page: Path = PAGE, *, drawings: bool = True
) -> None:
    """Write the page, and its drawings beside the docs' others."""
    figures = {figure.file: figure for figure in draw(rows)} if drawings else {}
    parts = ["# Benchmarks", HOW.read_text("utf-8").strip(), _machine(machine), _targets(rows)]
    parts.append("## What was measured")
    for title, names in GROUPS.items():
        found = [row for name in names for row in rows if row.name == name]
        if found:
            parts += _group(title, found, figures.get(FIGURE_OF.get(title, "")))
    page.write_text("\n\n".join(parts) + "\n", "utf-8")


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        "## The machine\n\n"
        f"Measured on {machine['date']} on {machine['cores']} cores ({machine['cpu']}) with "
        f"{machine['memory_gb']:g} GB of memory, Linux {machine['kernel']}, Python "
        f"{machine['python']}; {versions}."
    )


def _targets(rows: Sequence[Row]) -> str:
    checked = check(rows)
    met = sum(one.meets(one.target.least) is True for one in checked)
    told = sum(one.meets(one.target.least) is not None for one in checked)
    said = f"{met} of {told} thresholds that could be checked are met."
    if not told:
        said = "Nothing has been measured yet with the present engine: run `make bench`."
    lines = [
        "## What it must show",
        "",
        said,
        "",
        "| benchmark | what | measured | threshold | aim |",
        "|---|---|--:|---|---|",
    ]
    return "\n".join([*lines, *map(_target_line, checked)])


def _target_line(checked: Checked) -> str:
    target = checked.target
    value = "" if checked.value is None else short(checked.value)
    limits = [_limit(checked, limit) for limit in (target.least, target.aim)]
    return f"| `{target.name}` | {target.what} | {value} | {' | '.join(limits)} |"


def _limit(checked: Checked, limit: float | None) -> str:
    if limit is None:
        return ""
    sign = "≥" if checked.target.more else "≤"
    return f"{sign} {limit:g}{_verdict(checked.meets(limit))}"


def _verdict(met: bool | None) -> str:  # noqa: FBT001 (of three values)
    return {True: ", met", False: ", **not met**", None: ""}[met]


def _group(title: str, rows: list[Row], figure: Figure | None) -> list[str]:
    shown = [f"![{figure.says}](assets/bench-{figure.file}.svg)"] if figure else []
    names = dict.fromkeys(row.name for row in rows)
    tables = [_table(name, [row for row in rows if row.name == name]) for name in names]
    return [f"### {title}", *shown, *tables]


def _table(name: str, rows: list[Row]) -> str:
    unit = rows[0].unit
    costs = any(row.cpu_s_per_gb is not None for row in rows)
    head = [f"`{name}`", unit, "least to most", "runs", "ours is"]
    if costs:
        head += ["CPU s/GB", "MB", "server, CPU s/GB"]
    lines = [_line(head), _line(["---", *["--:"] * (len(head) - 1)])]
    more = unit.endswith("/s")
    ordered = sorted(rows, key=lambda row: (row.theirs or 0) * (-1 if more else 1))
    lines += [_line(_cells(row, costs=costs)) for row in ordered if row.theirs is not None]
    missing = [f"{row.peer}: {_plain(row.note)}" for row in ordered if row.theirs is None]
    notes = f"\n\nNot measured: {'; '.join(missing)}." if missing else ""
    return "\n".join(lines) + notes


def _cells(row: Row, *, costs: bool) -> list[str]:
    low, high = row.spread or (0.0, 0.0)
    ratio = f"{row.ratio:.2f}{TIMES}" if row.ratio and row.peer != OURS else ""
    name = f"**{row.peer}**" if row.peer == OURS else row.peer
    cells = [name, short(row.theirs or 0.0), f"{short(low)} to {short(high)}", str(row.runs), ratio]
    if costs:
        cells += [
            "" if row.cpu_s_per_gb is None else f"{row.cpu_s_per_gb:.2f}",
            "" if row.rss_bytes is None else f"{row.rss_bytes / MB:.0f}",
            "" if row.server_cpu_s_per_gb is None else f"{row.server_cpu_s_per_gb:.2f}",
        ]
    return cells


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(note: str) -> str:
    """Return the last line of a note, without what Markdown would take for its own."""
    return note.strip().splitlines()[-1].replace("|", "/").replace("<", "&lt;") if note else "?"
