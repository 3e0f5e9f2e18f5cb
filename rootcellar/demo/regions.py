"""The borders of the climate regions as SVG paths, few enough points for a page.

Neighbours share their border in the source. Each stretch between two meeting points is thinned
once and for both sides, so that no gaps open between them.
"""

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from rootcellar.demo.stations import outline_file

__all__ = ["HEIGHT", "WIDTH", "project", "region_paths"]

WIDTH: Final = 330
HEIGHT: Final = 448

_WEST, _NORTH = 5.75, 55.15
_SCALE_Y: Final = 56.0
# One degree of longitude is shorter than one of latitude: by the cosine at the middle of the map.
_SCALE_X: Final = _SCALE_Y * math.cos(math.radians(51.2))
_TOLERANCE: Final = 0.7
_SMALLEST_AREA: Final = 1.2

_Point = tuple[float, float]
_Line = list[_Point]


@dataclass(frozen=True, slots=True)
class _Ring:
    region: int
    points: _Line


def project(longitude_deg: float, latitude_deg: float) -> _Point:
    """Where a place stands on the map: an equirectangular projection, x to the right, y down."""
    return (longitude_deg - _WEST) * _SCALE_X, (_NORTH - latitude_deg) * _SCALE_Y


def region_paths() -> dict[int, str]:
    """The outline of each climate region as the data of an SVG path, by its number.

    Raises:
        SettingsError: demandlib is not installed.
    """
    rings = _read_rings()
    owners: dict[_Point, set[int]] = defaultdict(set)
    for ring in rings:
        for point in ring.points:
            owners[point].add(ring.region)
    paths: dict[int, list[str]] = defaultdict(list)
    for ring in rings:
        points = _thin_ring(ring.points, owners)
        if abs(_area(points)) >= _SMALLEST_AREA:
            body = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            paths[ring.region].append(f"M{body}Z")
    return {region: "".join(parts) for region, parts in sorted(paths.items())}


def _read_rings() -> list[_Ring]:
    features = json.loads(outline_file().read_text(encoding="utf-8"))["features"]
    rings = []
    for feature in features:
        region = int(feature["properties"]["TRY_code"])
        for polygon in feature["geometry"]["coordinates"]:
            for ring in polygon:
                # Rounded to a hundredth of a pixel, at which neighbours' points coincide. The last
                # point repeats the first.
                projected = (project(x, y) for x, y in ring[:-1])
                rings.append(_Ring(region, [(round(x, 2), round(y, 2)) for x, y in projected]))
    return rings


def _thin_ring(points: _Line, owners: dict[_Point, set[int]]) -> _Line:
    """The ring with each stretch between meeting points thinned."""
    count = len(points)
    meetings = [
        i
        for i in range(count)
        if owners[points[i]] != owners[points[i - 1]]
        or owners[points[i]] != owners[points[(i + 1) % count]]
    ]
    # A ring without meeting points is an island: cut it at two opposite places.
    cuts = meetings if len(meetings) > 1 else [0, count // 2]
    thinned: _Line = []
    for start, end in zip(cuts, [*cuts[1:], cuts[0] + count], strict=True):
        stretch = [points[i % count] for i in range(start, end + 1)]
        thinned += _thin(stretch)[:-1]
    return thinned


def _thin(line: _Line) -> _Line:
    """The line without the points that lie within the tolerance of its course (Douglas-Peucker)."""
    # Both neighbours must walk their common border the same way to drop the same points.
    if line[0] > line[-1]:
        return _thin(line[::-1])[::-1]
    keep = {0, len(line) - 1}
    open_stretches = [(0, len(line) - 1)]
    while open_stretches:
        first, last = open_stretches.pop()
        farthest, distance = first, _TOLERANCE
        for i in range(first + 1, last):
            off = _distance(line[i], line[first], line[last])
            if off > distance:
                farthest, distance = i, off
        if farthest != first:
            keep.add(farthest)
            open_stretches += [(first, farthest), (farthest, last)]
    return [line[i] for i in sorted(keep)]


def _distance(point: _Point, start: _Point, end: _Point) -> float:
    along = (end[0] - start[0], end[1] - start[1])
    length = math.hypot(*along)
    if length == 0:
        return math.dist(point, start)
    cross = along[0] * (point[1] - start[1]) - along[1] * (point[0] - start[0])
    return abs(cross) / length


def _area(points: _Line) -> float:
    following = [*points[1:], points[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, following, strict=True)) / 2
