"""Maps of Germany as inline SVG, one figure of the atlas each."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from rootcellar.demo.regions import HEIGHT, WIDTH, project, region_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Theme", "outlines", "region_map"]

# Labels stand to the right of their station, but where they would meet a neighbour's.
_LEFT_OF_STATION: Final = frozenset({1, 10})
_LONGEST_NAME: Final = 14


@dataclass(frozen=True, slots=True)
class Theme:
    """One figure of the atlas, as a map shows it.

    Attributes:
        column: Column of the atlas.
        title: Heading of the map.
        unit: Unit of the figure.
        ramp: Name of the colour ramp in the style sheet: sun, wind or share.
    """

    column: str
    title: str
    unit: str
    ramp: str


def outlines() -> str:
    """The regions' shapes, defined once in an invisible SVG for all maps of the page."""
    shapes = "".join(
        f'<path id="region-{region}" d="{path}"/>' for region, path in region_paths().items()
    )
    return f'<svg width="0" height="0" class="defs" aria-hidden="true"><defs>{shapes}</defs></svg>'


def region_map(rows: "Sequence[Mapping[str, Any]]", theme: Theme) -> str:
    """A map that colours each region by its station's figure, with a legend.

    Regions whose station is not among the rows stay grey. Needs `outlines` on the same page.
    """
    values = {row["station"]: float(row[theme.column]) for row in rows}
    low, high = min(values.values()), max(values.values())
    titles = {row["station"]: f"{row['name']}: {_number(row[theme.column])}" for row in rows}
    shapes = []
    for region in range(1, 16):
        if region in values:
            share = (values[region] - low) / (high - low) if high > low else 1.0
            shapes.append(
                f'<use href="#region-{region}" class="on" style="--share:{share:.1%}">'
                f"<title>{escape(titles[region])} {escape(theme.unit)}</title></use>"
            )
        else:
            shapes.append(f'<use href="#region-{region}"/>')
    labels = "".join(_label(row, theme.column) for row in rows)
    return (
        f'<figure class="map {theme.ramp}">'
        f"<figcaption><h3>{escape(theme.title)}</h3>"
        f'<p class="scale"><span>{_number(low)}</span><i></i><span>{_number(high)}</span> '
        f"{escape(theme.unit)}</p></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Map of Germany: {escape(theme.title)}">'
        f'<g class="regions">{"".join(shapes)}</g><g class="stations">{labels}</g></svg></figure>'
    )


def _label(row: "Mapping[str, Any]", column: str) -> str:
    x, y = project(row["longitude_deg"], row["latitude_deg"])
    left = row["station"] in _LEFT_OF_STATION
    side = ' text-anchor="end"' if left else ""
    shift = -6 if left else 6
    name = row["name"]
    if len(name) > _LONGEST_NAME:
        name = name.split("-")[0]
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>'
        f'<text x="{x + shift:.1f}" y="{y - 1:.1f}"{side}>{_number(row[column])}</text>'
        f'<text class="place" x="{x + shift:.1f}" y="{y + 8.5:.1f}"{side}>{escape(name)}</text>'
    )


def _number(value: float) -> str:
    """With a narrow space between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")
