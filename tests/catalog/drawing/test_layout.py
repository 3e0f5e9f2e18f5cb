from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootcellar.catalog.drawing.crossings import count_crossings, order_columns
from rootcellar.catalog.drawing.layering import assign_layers
from rootcellar.catalog.drawing.layout import Box, Layout, Link, arrange
from rootcellar.catalog.drawing.net import weave

PORTS = st.sampled_from(["", "weather", "demand", "pv"])


@st.composite
def graphs(draw, *, acyclic=False):
    boxes = draw(
        st.lists(
            st.builds(Box, st.floats(20, 200), st.floats(20, 90), st.sampled_from([0, 1])),
            min_size=1,
            max_size=25,
        )
    )
    indices = st.integers(0, len(boxes) - 1)
    pairs = draw(st.lists(st.tuples(indices, indices), max_size=50))
    if acyclic:
        pairs = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    return boxes, [Link(a, b, draw(PORTS), draw(PORTS), 20.0, 30.0) for a, b in pairs]


def overlaps(boxes: list[Box], layout: Layout) -> list[tuple[int, int]]:
    frames = [
        (x - wide / 2, x + wide / 2, y - box.height / 2, y + box.height / 2)
        for (x, y), wide, box in zip(layout.centres, layout.widths, boxes, strict=True)
    ]
    return [
        (m, n)
        for m, a in enumerate(frames)
        for n, b in enumerate(frames[:m])
        if a[0] < b[1] and b[0] < a[1] and a[2] < b[3] - 0.1 and b[2] < a[3] - 0.1
    ]


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_every_box_is_placed_once_inside_and_apart(graph):
    """Any graph, cyclic or not: each box has a place in the picture and covers no other."""
    boxes, links = graph

    layout = arrange(boxes, links)

    assert len(boxes) == len(layout.centres) == len(layout.widths) == len(layout.columns)
    assert overlaps(boxes, layout) == []
    for (x, y), wide, box in zip(layout.centres, layout.widths, boxes, strict=True):
        assert wide >= box.width
        assert x - wide / 2 >= -0.1
        assert x + wide / 2 <= layout.width + 0.1
        assert y - box.height / 2 >= -0.1
        assert y + box.height / 2 <= layout.height + 0.1


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_every_link_has_a_way_between_its_boxes(graph):
    """A link begins and ends at the sides of its boxes; a loop says that it is one."""
    boxes, links = graph

    layout = arrange(boxes, links)

    assert len(links) == len(layout.routes)
    for link, route in zip(links, layout.routes, strict=True):
        assert route.is_loop == (link.source == link.target)
        if route.is_loop:
            continue
        left, right = (
            (link.target, link.source) if route.is_backward else (link.source, link.target)
        )
        assert layout.centres[left][0] + layout.widths[left] / 2 == route.points[0][0]
        assert layout.centres[right][0] - layout.widths[right] / 2 == route.points[-1][0]
        assert len(route.points) % 2 == 0
        assert all(a[0] <= b[0] + 1e-6 for a, b in pairwise(route.points))


@given(graphs(acyclic=True))
@settings(max_examples=200, deadline=None)
def test_columns_follow_the_direction_of_an_acyclic_graph(graph):
    """Without a cycle every link runs forward, from an earlier column to a later one."""
    boxes, links = graph

    layout = arrange(boxes, links)

    assert not any(route.is_backward for route in layout.routes)
    assert all(layout.columns[link.source] < layout.columns[link.target] for link in links)


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_no_line_runs_through_a_box(graph):
    """The straight parts of a line, which cross columns and carry labels, meet no other box.

    Its bends stay between the columns.
    """
    boxes, links = graph

    layout = arrange(boxes, links)

    for link, route in zip(links, layout.routes, strict=True):
        for (x, y), (end, _) in zip(route.points[::2], route.points[1::2], strict=True):
            for n, box in enumerate(boxes):
                if n in (link.source, link.target):
                    continue
                centre, wide = layout.centres[n], layout.widths[n]
                beside = end <= centre[0] - wide / 2 + 0.1 or x >= centre[0] + wide / 2 - 0.1
                assert beside or abs(centre[1] - y) >= box.height / 2
        for (x, _), (end, _) in zip(route.points[1:-1:2], route.points[2::2], strict=True):
            for centre, wide in zip(layout.centres, layout.widths, strict=True):
                assert end <= centre[0] - wide / 2 + 0.1 or x >= centre[0] + wide / 2 - 0.1


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_one_input_gives_one_picture(graph):
    """The layout depends on its input only."""
    assert arrange(*graph) == arrange(*graph)


def test_nothing_has_an_empty_layout():
    """No boxes need no room."""
    layout = arrange([], [])

    assert (layout.width, layout.height) == (0.0, 0.0)


def test_a_chain_is_a_straight_line():
    """What is joined one to one stands at one height."""
    layout = arrange([Box(80, 30), Box(90, 60, 1), Box(70, 42)], [Link(0, 1), Link(1, 2)])

    assert len({y for _, y in layout.centres}) == 1


def test_a_fan_stands_around_its_source():
    """A source with three readers is level with the middle one."""
    layout = arrange([Box(80, 30)] * 4, [Link(0, n) for n in (1, 2, 3)])

    assert sorted(layout.centres[1:])[1][1] == layout.centres[0][1]


def test_a_source_that_is_used_late_stands_beside_its_reader():
    """A source moves right to what it feeds."""
    layering = assign_layers([(0, 1), (1, 2), (2, 3), (4, 3)], [0, 1, 0, 1, 0])

    assert layering.columns == (0, 1, 2, 3, 2)


def test_versions_and_runs_have_columns_of_their_own():
    """A run without inputs stands in a column of runs."""
    layering = assign_layers([(0, 1), (1, 2), (3, 2)], [0, 1, 0, 1])

    assert layering.columns[3] == layering.columns[1]


def test_a_cycle_runs_backward_once():
    """Only the link that closes a cycle is turned."""
    layering = assign_layers([(0, 1), (1, 2), (2, 0)], [0, 0, 0])

    assert {2} == layering.backward
    assert layering.columns == (0, 1, 2)


def test_lines_that_need_not_cross_do_not():
    """A walk in the given order would cross three times; another order crosses never."""
    links = [(0, 3), (0, 4), (0, 5), (1, 3), (2, 4)]
    net = weave(links, [30.0] * 6, assign_layers(links, [0] * 6))
    right = [[b for a, b in links if a == n] for n in range(6)]
    before = count_crossings(net.columns, right)

    order_columns(net)

    assert (before, count_crossings(net.columns, right)) == (3, 0)


def test_crossings_are_counted():
    """Each pair of lines that cross counts once; lines that share an end do not."""
    right = [[3], [2], [], []]

    assert count_crossings([[0, 1], [2, 3]], right) == 1
    assert count_crossings([[0, 1], [3, 2]], right) == 0
    assert count_crossings([[0, 1], [2]], [[2], [2], []]) == 0


def test_ports_of_one_box_stand_apart():
    """Two arguments enter at two points, the upper source into the upper port."""
    links = [Link(0, 2, target_port="b"), Link(1, 2, target_port="a")]

    layout = arrange([Box(80, 30)] * 2 + [Box(80, 50)], links)

    upper, lower = sorted(
        layout.routes, key=lambda route: route.points[0][1]
    )  # by the height of their sources
    assert upper.points[-1][1] < lower.points[-1][1]


def test_a_reference_that_feeds_a_long_chain_needs_no_room_for_every_line():
    """Long links beyond a budget go without bends, so that the work stays in proportion."""
    count = 1_500
    links = [Link(n, n + 1) for n in range(count - 1)] + [Link(0, n) for n in range(2, count)]

    layout = arrange([Box(50, 30)] * count, links)

    assert 2 * count > len(layout.routes) > count
    assert min(len(route.points) for route in layout.routes) == 4


@pytest.mark.parametrize(("count", "limit_seconds"), [(50, 0.5), (1_000, 1.5), (5_000, 6.0)])
def test_large_graphs_are_arranged_in_time(count, limit_seconds):
    """Far above the usual times (3, 45 and 250 ms), but below any slip into quadratic work."""
    links = [Link((n * 7_919) % max(1, n // 2 + 1), n) for n in range(1, count)]

    started = time.perf_counter()
    layout = arrange([Box(100, 40)] * count, links)

    assert limit_seconds > time.perf_counter() - started
    assert count == len(layout.centres)
