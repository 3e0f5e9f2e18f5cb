"""The year in months, as inline SVG: bars of sun and wind, a line of demand."""

from collections import defaultdict
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Year", "average_year", "small_year", "wide_year", "years"]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip
_STEP_GWH: Final = 2


@dataclass(frozen=True, slots=True)
class Year:
    """Twelve months of the model town, in GWh each."""

    pv_gwh: tuple[float, ...]
    wind_gwh: tuple[float, ...]
    demand_gwh: tuple[float, ...]

    @property
    def peak_gwh(self) -> float:
        """The tallest bar or the highest point of the line."""
        made = (pv + wind for pv, wind in zip(self.pv_gwh, self.wind_gwh, strict=True))
        return max(*made, *self.demand_gwh)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a chart draws: the plot's corners in the SVG, and what its top stands for."""

    left: float
    top: float
    right: float
    bottom: float
    top_gwh: float

    def x(self, month: float) -> float:
        return self.left + (self.right - self.left) * month / 12

    def y(self, gwh: float) -> float:
        return self.bottom - (self.bottom - self.top) * gwh / self.top_gwh


def years(monthly: "Iterable[Mapping[str, Any]]") -> dict[int, Year]:
    """The year of each station, from rows of `monthly_schema` in any order."""
    by_station: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in monthly:
        by_station[row["station"]].append(row)
    return {station: _year(rows) for station, rows in sorted(by_station.items())}


def average_year(all_years: "Sequence[Year]") -> Year:
    """The mean of several years, month by month."""

    def mean(column: str) -> tuple[float, ...]:
        months = zip(*(getattr(year, column) for year in all_years), strict=True)
        return tuple(sum(values) / len(all_years) for values in months)

    return Year(mean("pv_gwh"), mean("wind_gwh"), mean("demand_gwh"))


def wide_year(year: Year) -> str:
    """A year with axes, grid and names of the months."""
    top = -(-year.peak_gwh // _STEP_GWH) * _STEP_GWH
    frame = _Frame(left=34, top=14, right=720, bottom=262, top_gwh=top)
    lines = []
    for gwh in range(0, int(top) + 1, _STEP_GWH):
        y = frame.y(gwh)
        lines.append(
            f'<line class="grid" x1="{frame.left}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{frame.left - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{gwh}</text>"
        )
    names = "".join(
        f'<text class="tick" x="{frame.x(i + 0.5):.1f}" y="{frame.bottom + 20}" '
        f'text-anchor="middle">{name}</text>'
        for i, name in enumerate(_MONTHS)
    )
    return (
        '<svg class="year" viewBox="0 0 724 288" role="img" '
        'aria-label="Sun, wind and demand by month, in GWh">'
        f"{''.join(lines)}{_bars(year, frame, gap=0.26)}{_demand(year, frame)}{names}</svg>"
    )


def small_year(year: Year, *, name: str, top_gwh: float) -> str:
    """A year without axes, for comparison with others of the same `top_gwh`."""
    frame = _Frame(left=0, top=2, right=192, bottom=72, top_gwh=top_gwh)
    return (
        f'<svg class="year small" viewBox="0 0 192 74" role="img" aria-label="{escape(name)}">'
        f'<line class="grid" x1="0" x2="192" y1="{frame.bottom}" y2="{frame.bottom}"/>'
        f"{_bars(year, frame, gap=0.18)}{_demand(year, frame)}</svg>"
    )


def _year(rows: "list[Mapping[str, Any]]") -> Year:
    rows = sorted(rows, key=lambda row: int(row["month"]))

    def gwh(column: str) -> tuple[float, ...]:
        return tuple(row[column] / 1000 for row in rows)

    return Year(gwh("pv_mwh"), gwh("wind_mwh"), gwh("demand_mwh"))


def _bars(year: Year, frame: _Frame, *, gap: float) -> str:
    parts = []
    width = frame.x(1 - gap) - frame.x(0)
    for i, (pv, wind) in enumerate(zip(year.pv_gwh, year.wind_gwh, strict=True)):
        x = frame.x(i + gap / 2)
        for kind, below, above in (("wind", 0.0, wind), ("sun", wind, wind + pv)):
            y, height = frame.y(above), frame.y(below) - frame.y(above)
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}"><title>{_MONTHS[i]}: {above - below:.1f} GWh of {kind}'
                "</title></rect>"
            )
    return "".join(parts)


def _demand(year: Year, frame: _Frame) -> str:
    """A step per month: a month's demand is a sum, not a point on a curve."""
    steps = (
        f"{frame.x(i):.1f},{frame.y(gwh):.1f} {frame.x(i + 1):.1f},{frame.y(gwh):.1f}"
        for i, gwh in enumerate(year.demand_gwh)
    )
    return f'<polyline class="demand" points="{" ".join(steps)}"/>'
