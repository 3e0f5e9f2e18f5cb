"""The page that the demo leaves behind: one HTML file that needs nothing else."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from rootcellar.demo.charts import average_year, small_year, wide_year, years
from rootcellar.demo.maps import Theme, outlines, region_map
from rootcellar.demo.page_style import STYLE
from rootcellar.demo.town import TOWN, TURBINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["RunFacts", "page"]

_MAP_TURBINE: Final = "swt142"
_THEMES: Final = (
    Theme("pv_kwh_per_kwp", "Solar yield", "kWh per kWp", "sun"),
    Theme(f"{_MAP_TURBINE}_full_load_h", "Wind, full-load hours", "h per year", "wind"),
    Theme("with_battery_pct", "Self-sufficiency", "% with batteries", "share"),
)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the run that made the page did.

    Attributes:
        tasks_run: Tasks whose body ran.
        tasks_reused: Tasks whose earlier outputs still stood.
        elapsed_seconds: From the first task sent to the last one done.
        files: Files in the store that the atlas rests on.
        stored_bytes: Their size together.
    """

    tasks_run: int
    tasks_reused: int
    elapsed_seconds: float
    files: int
    stored_bytes: int


def page(
    atlas: "Sequence[Mapping[str, Any]]",
    monthly: "Iterable[Mapping[str, Any]]",
    *,
    lineage_svg: str,
    facts: RunFacts,
) -> str:
    """The whole page, in UTF-8 when written.

    Args:
        atlas: Rows of `atlas_schema`, at least one.
        monthly: Rows of `monthly_schema` for the same stations.
        lineage_svg: The lineage graph as an SVG element; taken as it is, so it must be our own.
        facts: About the run.
    """
    sections = (
        _header(facts),
        _maps(atlas),
        _year(atlas, monthly),
        _table(atlas),
        _lineage(lineage_svg),
        _notes(),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>An energy atlas of Germany</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n{outlines()}\n<main>\n"
        + "\n".join(sections)
        + "\n</main>\n</body>\n</html>\n"
    )


def _header(facts: RunFacts) -> str:
    figures = (
        (_number(facts.tasks_run), "tasks run"),
        (_number(facts.tasks_reused), "tasks reused"),
        (f"{facts.elapsed_seconds:.1f} s", "from first to last"),
        (_number(facts.files), "files in the store"),
        (_size(facts.stored_bytes), "stored"),
    )
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for value, name in figures)
    return (
        '<header><p class="eyebrow">rootcellar demo</p>'
        "<h1>An energy atlas of Germany</h1>"
        f'<p class="lede">The same town of {_number(TOWN.homes)} homes, with the same roofs, '
        "turbines and batteries, put into each of Germany&rsquo;s fifteen climates: how far would "
        "its own sun and wind carry it?</p>"
        f'<dl class="facts">{items}</dl></header>'
    )


def _maps(atlas: "Sequence[Mapping[str, Any]]") -> str:
    shown = [t for t in _THEMES if all(row.get(t.column) is not None for row in atlas)]
    maps = "".join(region_map(atlas, theme) for theme in shown)
    return (
        "<section><h2>Where the sun shines and the wind blows</h2>"
        '<p class="about">Each climate region takes the colour of its station. Yields are those '
        f"of the best tilt, and of a {TURBINES[_MAP_TURBINE].name} for the wind.</p>"
        f'<div class="maps">{maps}</div></section>'
    )


def _year(atlas: "Sequence[Mapping[str, Any]]", monthly: "Iterable[Mapping[str, Any]]") -> str:
    by_station = years(monthly)
    average = average_year(list(by_station.values()))
    top = max(year.peak_gwh for year in by_station.values())
    small = "".join(
        f"<figure><figcaption><span>{escape(row['name'])}</span>"
        f"<span>{row['with_battery_pct']:.0f} %</span></figcaption>"
        f"{small_year(by_station[row['station']], name=row['name'], top_gwh=top)}</figure>"
        for row in atlas
    )
    return (
        "<section><h2>Through the year</h2>"
        '<p class="about">What the town makes and what it draws, in GWh per month: the mean of all '
        "stations, and each by itself with its self-sufficiency.</p>"
        '<p class="key"><span><i class="sun"></i>Sun</span><span><i class="wind"></i>Wind</span>'
        '<span><i class="demand"></i>Demand</span></p>'
        f'<div class="average">{wide_year(average)}{_findings(atlas)}</div>'
        f'<div class="years">{small}</div></section>'
    )


def _findings(atlas: "Sequence[Mapping[str, Any]]") -> str:
    def total(*columns: str) -> float:
        return float(sum(row[column] for row in atlas for column in columns))

    made = 100 * total("pv_mwh", "wind_mwh") / total("demand_mwh")
    findings = (
        ("made, as a share of what is drawn in a year", made),
        ("met in the very hour by sun and wind", total("self_sufficiency_pct") / len(atlas)),
        ("met when the batteries help", total("with_battery_pct") / len(atlas)),
    )
    items = "".join(f"<div><dt>{name}</dt><dd>{value:.0f} %</dd></div>" for name, value in findings)
    return f"<dl>{items}</dl>"


def _table(atlas: "Sequence[Mapping[str, Any]]") -> str:
    head = _cells("th", [(_heading(name, unit), extra) for name, unit, extra in _columns()])
    body = "".join(f"<tr>{_cells('td', _values(row))}</tr>" for row in atlas)
    return (
        "<section><h2>The atlas</h2>"
        '<p class="about">One row per station. The bar shows the share of demand met by the '
        "town&rsquo;s own sun and wind: alone, and with its batteries.</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _columns() -> list[tuple[str, str, bool]]:
    """Heading, unit and whether a narrow page does without it."""
    return [
        ("Station", "", False),
        ("Altitude", "m", True),
        ("Air", "°C", True),
        ("Wind", "m/s", False),
        ("Sunshine", "kWh/m²", True),
        ("Solar yield", "kWh/kWp", False),
        *((turbine.name.split()[1], "full-load h", False) for turbine in TURBINES.values()),
        ("Demand", "GWh", False),
        ("Sun", "GWh", True),
        ("Wind", "GWh", True),
        ("Alone", "%", False),
        ("Batteries", "%", False),
        ("", "", False),
    ]


def _values(row: "Mapping[str, Any]") -> list[tuple[str, bool]]:
    alone, helped = row["self_sufficiency_pct"], row["with_battery_pct"]
    bar = f'<span class="bar" style="--alone:{alone:.1f}%;--with:{helped:.1f}%"></span>'
    return [
        (escape(row["name"]), False),
        (_number(row["altitude_m"]), True),
        (f"{row['temp_mean_c']:.1f}", True),
        (f"{row['wind_mean_m_s']:.1f}", False),
        (_number(row["ghi_kwh_m2"]), True),
        (_number(row["pv_kwh_per_kwp"]), False),
        *((_number(row[f"{key}_full_load_h"]), False) for key in TURBINES),
        (f"{row['demand_mwh'] / 1000:.1f}", False),
        (f"{row['pv_mwh'] / 1000:.1f}", True),
        (f"{row['wind_mwh'] / 1000:.1f}", True),
        (f"{alone:.0f}", False),
        (f"{helped:.0f}", False),
        (bar, False),
    ]


def _cells(tag: str, cells: list[tuple[str, bool]]) -> str:
    return "".join(
        f'<{tag} class="extra">{cell}</{tag}>' if extra else f"<{tag}>{cell}</{tag}>"
        for cell, extra in cells
    )


def _heading(name: str, unit: str) -> str:
    return f"{name}<small>{unit}</small>"


def _lineage(svg: str) -> str:
    return (
        "<section><h2>Where every number comes from</h2>"
        '<p class="about">The lineage of the atlas, as the catalog recorded it while the tasks '
        "ran: each file, the task that made it and the files that it read.</p>"
        f'<div class="lineage">{svg}</div></section>'
    )


def _notes() -> str:
    machines = " and ".join(
        f"{turbine.name} ({turbine.hub_height_m:.0f} m hub)" for turbine in TURBINES.values()
    )
    return (
        '<section><h2>What is behind it</h2><div class="notes">'
        "<p>Weather: test reference years of the German weather service (Deutscher Wetterdienst), "
        "edition 2010, mean years of 1988&ndash;2007, hourly, as shipped in demandlib. One station "
        "stands for each climate region; six of them measured the radiation, for the others it was "
        "computed from the clouds.</p>"
        "<p>Sun: pvlib, PVWatts with the Perez sky and 14 % system losses, modules facing south "
        "at three tilts in equal parts; the yield shown is that of the best tilt.</p>"
        f"<p>Wind: the power curves of windpowerlib for {machines}, wind of the station&rsquo;s "
        "mast carried up over open farmland, thinner air on the heights, 12 % losses. Masts in "
        "valleys see little wind: nobody would build in Garmisch.</p>"
        "<p>Demand: BDEW standard load profiles for homes and trade, the BDEW gas profile with "
        "the station&rsquo;s temperatures for the heat pumps of every second home.</p>"
        f"<p>The town: {TOWN.pv_mwp:.0f} MWp of modules, {TOWN.wind_mw:.0f} MW of turbines and "
        f"batteries of {TOWN.battery_mwh:.0f} MWh, everywhere the same. All differences are "
        "differences of weather.</p></div></section>"
    )


def _number(value: float | None) -> str:
    """With a narrow space between thousands; a dash for what was not computed."""
    return "&ndash;" if value is None else f"{value:,.0f}".replace(",", "\u202f")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
