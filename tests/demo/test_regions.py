import re

from rootcellar.demo import regions, stations


def test_every_region_has_a_path_on_the_map():
    """All fifteen regions are drawn, inside the map, in few enough points for a page."""
    paths = regions.region_paths()

    points = [
        (float(x), float(y))
        for path in paths.values()
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)
    ]
    assert list(range(1, 16)) == sorted(paths)
    assert all(0 <= x <= regions.WIDTH and 0 <= y <= regions.HEIGHT for x, y in points)
    assert sum(map(len, paths.values())) < 40_000


def test_neighbours_share_their_border():
    """Thinning drops the same points on both sides: hundreds of points stay common to two."""
    paths = regions.region_paths()
    seen = {region: set(re.findall(r"[\d.]+ [\d.]+", path)) for region, path in paths.items()}

    common = seen[3] & seen[4]
    assert len(common) >= 5
    assert regions._thin([(0, 0), (1, 0.1), (2, 0)]) == [(0, 0), (2, 0)]
    assert regions._thin([(0, 0), (1, 5), (2, 0)]) == [(0, 0), (1, 5), (2, 0)]


def test_stations_stand_in_germany():
    """Hamburg lies north of Garmisch and west of Potsdam."""
    hamburg, potsdam, garmisch = (
        regions.project(station.longitude_deg, station.latitude_deg)
        for station in (stations.read_station(stations.try_file(n)) for n in (3, 4, 15))
    )

    assert hamburg[1] < garmisch[1]
    assert hamburg[0] < potsdam[0]
