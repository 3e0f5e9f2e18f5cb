from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootcellar.catalog.drawing.graph import Graph, GraphEdge, GraphNode
from rootcellar.catalog.drawing.lettering import readable, shorten, width, wrap
from rootcellar.catalog.drawing.svg import draw

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "\"double\" and 'single' & &amp; ]]>",
    "nul \x00, escape \x1b[31m, bell \x07",
    "lone \ud800 surrogate",
    "\ufffe\uffff",
    "turned \u202e gnp.exe",
    "line\nbreak\ttab",
    "naïve 雪だるま ☃",
    "",
]


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing.encode())


def tooltips(root: ET.Element) -> list[str]:
    return [title.text or "" for title in root.iter(f"{SVG}title")]


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=8))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_well_formed_xml_with_every_title(words):
    """Whatever titles, details and labels hold, the drawing parses and shows each title."""
    nodes = tuple(
        GraphNode(str(n), "run" if n % 2 else "version", title, detail, label)
        for n, (title, detail, label) in enumerate(words)
    )
    edges = tuple(GraphEdge(str(n), str(n + 1), words[n][2]) for n in range(len(words) - 1))

    root = parsed(draw(Graph(nodes, edges, note="".join(w[0] for w in words))))

    told = "\n".join(tooltips(root))
    for title, _, _ in words:
        for line in title.split("\n"):
            # XML itself reads a carriage return as a line break; we write none.
            assert readable(line) in told


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_stays_text(title):
    """No title becomes an element, and all of it can be read in the tooltip."""
    node = GraphNode("a", "version", title, title, title, title)
    loop = GraphEdge("a", "a", title)

    root = parsed(draw(Graph((node,), (loop,), title)))

    assert {"svg", "title", "style", "rect", "g", "path", "text"} >= {
        element.tag.removeprefix(SVG) for element in root.iter()
    }
    if title:
        assert any(readable(title.split("\n")[0]) in tip for tip in tooltips(root))


def test_a_drawing_needs_nothing_else():
    """No script, no link, no font or image from elsewhere, no id that could meet another's."""
    nodes = tuple(GraphNode(str(n), "run", "task", state="failed") for n in range(3))

    drawing = draw(Graph(nodes, (GraphEdge("0", "1", "x"), GraphEdge("1", "2", "y"))))

    outside = drawing.replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"<script|https?:|url\(|@import|@font-face|href|\bid=", outside) == []


def test_a_drawing_follows_light_and_dark():
    """One file for both schemes, and for the themes of notebooks."""
    drawing = draw(Graph((GraphNode("a", "version", "A()"),)))

    assert "@media (prefers-color-scheme:dark)" in drawing
    assert "[data-jp-theme-light=false]" in drawing


def test_every_node_and_edge_is_drawn():
    """Each node is one group, each edge one line, also loops, repeats and cycles."""
    nodes = (
        GraphNode("a", "version", "State()"),
        GraphNode("r", "run", "step", state="succeeded"),
        GraphNode("b", "version", "Other()"),
    )
    edges = (
        GraphEdge("a", "r", "state"),
        GraphEdge("r", "a", "state"),
        GraphEdge("a", "a"),
        GraphEdge("a", "r", "state"),
        GraphEdge("r", "b"),
        GraphEdge("r", "unknown"),
    )

    root = parsed(draw(Graph(nodes, edges)))

    lines = [e for e in root.iter(f"{SVG}path") if "e" in e.get("class", "").split()]
    assert len(lines) == 5
    tips = [tip.split("\n")[0] for tip in tooltips(root)]
    assert [tips.count(node.title) for node in nodes] == [1, 1, 1]


def test_the_argument_name_of_a_fan_in_is_written_once():
    """Fifteen tables that enter one argument share one label."""
    nodes = (
        GraphNode("r", "run", "atlas"),
        *(GraphNode(f"v{n}", "version", f"Balance({n})") for n in range(15)),
    )
    edges = tuple(GraphEdge(f"v{n}", "r", "balances") for n in range(15))

    root = parsed(draw(Graph(nodes, edges)))

    labels = [e.text for e in root.iter(f"{SVG}text") if e.get("class") == "l"]
    assert labels == ["balances"]


def test_the_note_is_shown_whole():
    """A long note wraps into the width of the drawing."""
    note = "cut at 10 000 versions; " * 8

    root = parsed(draw(Graph((GraphNode("a", "version", "A()"),), note=note)))

    shown = " ".join(e.text or "" for e in root.iter(f"{SVG}text"))
    assert " ".join(note.split()) in shown


def test_an_empty_graph_says_so():
    """Nothing recorded is an answer, not an empty page."""
    assert "Nothing recorded" in draw(Graph())


def test_a_state_shows_without_its_colour():
    """Each state of a run has a sign of its own."""
    states = ("running", "succeeded", "reused", "failed", "retried", "skipped", "lost")
    nodes = tuple(GraphNode(state, "run", "task", state=state) for state in states)

    root = parsed(draw(Graph(nodes)))

    signs = {e.get("d") for e in root.iter(f"{SVG}path") if e.get("class") == "i"}
    assert len(states) == len(signs)


def test_long_text_ends_in_an_ellipsis_and_stays_inside_its_box():
    """A title is cut to the room there is; the tooltip holds all of it."""
    title = "Generation(" + "station=3, " * 30 + ")"

    root = parsed(draw(Graph((GraphNode("a", "version", title),))))

    shown = next(e.text or "" for e in root.iter(f"{SVG}text"))
    assert shown.endswith("…")
    assert title in tooltips(root)


@given(st.text(max_size=60), st.floats(20, 300))
@settings(deadline=None)
def test_shortened_text_fits(text, room):
    """A cut text is no wider than the room, and a text that fits is left alone."""
    cut = shorten(text, room, 12)

    assert width(cut, 12) <= room + 1e-6
    assert cut == text or cut.endswith("…")


@given(st.text(max_size=120))
def test_wrapped_lines_fit(text):
    """No line of a note is wider than the drawing."""
    assert all(width(line, 10) <= 120 + 1e-6 for line in wrap(text, 120, 10))
