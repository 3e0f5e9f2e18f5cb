"""The interactive view: it holds the graph, ships its own script, and asks for its extra."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from rootcellar.catalog.drawing import graph as graphs
from rootcellar.catalog.drawing.graph import Graph, GraphEdge, GraphNode
from rootcellar.schemas.errors import CatalogError

SCRIPT = Path(graphs.__file__).with_name("widget.js")
GRAPH = Graph(
    (
        GraphNode("v1", "version", "Raw(<1>)", "v1, 3 B", "present", "Raw"),
        GraphNode("r1", "run", "fit", "2 s", "failed", "fit"),
    ),
    (GraphEdge("v1", "r1", "raw"), GraphEdge("v1", "gone")),
    "cut here",
)


def test_its_model_holds_the_graph():
    """Drawing, nodes in the drawing's order, known edges and the note; nothing is selected."""
    widget = GRAPH.widget()
    drawn = re.findall(r'<g class="\w*" transform="[^"]*"><title>([^<\n]*)', widget.drawing)

    assert GRAPH.to_svg() == widget.drawing
    assert ["Raw(&lt;1&gt;)", "fit"] == drawn
    assert [("v1", "Raw(<1>)"), ("r1", "fit")] == [(n["id"], n["title"]) for n in widget.nodes]
    assert [{"source": "v1", "target": "r1", "label": "raw"}] == widget.edges
    assert ("cut here", "") == (widget.note, widget.selected)


def test_where_no_widget_can_be_shown_stands_the_drawing():
    """Exported and read elsewhere, the cell keeps its picture."""
    data, _ = GRAPH.widget()._repr_mimebundle_()

    assert GRAPH.to_svg() == data["image/svg+xml"]
    assert "2 nodes, 1 edges" == data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_its_script_is_the_file_beside_it():
    """The script and its style are in the wheel; neither loads anything from elsewhere."""
    widget = GRAPH.widget()

    assert SCRIPT.read_text(encoding="utf-8") == str(widget._esm)
    assert "import" not in re.sub(r"importNode", "", str(widget._esm))
    assert "innerHTML" not in str(widget._esm)
    for source in (str(widget._esm), str(widget._css)):
        assert re.findall(r"https?://|url\(", source) == []


def test_a_large_graph_is_folded():
    """As in a drawing, with a note that says so; the limit may be set."""
    nodes = tuple(GraphNode(str(n), "version", str(n), group="Raw") for n in range(151))

    assert 1 == len(Graph(nodes).widget().nodes)
    assert "151 nodes folded" in Graph(nodes).widget().note
    assert 151 == len(Graph(nodes).widget(fold_above=200).nodes)


@pytest.mark.parametrize(
    ("missing", "method", "told"),
    [("anywidget", "widget", r"rootcellar\[widget\]"), ("networkx", "to_networkx", "networkx")],
)
def test_what_is_not_installed_is_named(monkeypatch, missing, method, told):
    """The error names the package to install."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "rootcellar.catalog.drawing.widget", raising=False)

    with pytest.raises(CatalogError, match="needs") as caught:
        getattr(GRAPH, method)()

    assert re.search(told, caught.value.remedy)


def test_networkx_takes_it_whole():
    """Nodes with their attributes, edges with their labels, parallel ones too, and the note."""
    twice = Graph(GRAPH.nodes, (*GRAPH.edges, GraphEdge("v1", "r1", "other")), GRAPH.note)
    found = twice.to_networkx()

    assert {"v1": "Raw", "r1": "fit"} == dict(found.nodes(data="group"))
    assert [("v1", "r1", "raw"), ("v1", "r1", "other")] == list(found.edges(data="label"))
    assert "cut here" == found.graph["note"]


def test_a_page_holds_the_drawing_and_nothing_from_elsewhere():
    """It can be sent as one file."""
    page = GRAPH.to_html()

    assert GRAPH.to_svg() in page
    assert re.findall(r"(?:src|href)=|<script", page) == []
