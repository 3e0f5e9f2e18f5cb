from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootcellar.catalog.drawing.graph import Graph, GraphEdge, GraphNode

TIMES = "\N{MULTIPLICATION SIGN}"


def version(name, title=None, **more):
    return GraphNode(name, "version", title or name, **more)


def run(name, title=None, **more):
    return GraphNode(name, "run", title or name, **more)


def stations(count):
    """Return weather files, one simulation each, and one atlas that reads them all."""
    nodes = [run("atlas", state="succeeded", group="atlas"), version("Atlas()", group="Atlas")]
    edges = [GraphEdge("atlas", "Atlas()", "atlas")]
    for n in range(count):
        state = "failed" if n == 1 else "succeeded"
        nodes += [
            version(f"Weather({n})", group="Weather"),
            run(f"run{n}", "simulate", state=state, group="simulate"),
            version(f"Pv({n})", group="Pv"),
        ]
        edges += [
            GraphEdge(f"Weather({n})", f"run{n}", "weather"),
            GraphEdge(f"run{n}", f"Pv({n})", "pv"),
            GraphEdge(f"Pv({n})", "atlas", "tables"),
        ]
    return Graph(tuple(nodes), tuple(edges))


@st.composite
def random_graphs(draw):
    count = draw(st.integers(0, 15))
    nodes = tuple(
        GraphNode(
            str(n),
            draw(st.sampled_from(["version", "run"])),
            f"<{n}>",
            group=draw(st.sampled_from(["", "A", "B"])),
        )
        for n in range(count)
    )
    names = st.sampled_from([str(n) for n in range(count)] + ["unknown"])
    edges = draw(st.lists(st.builds(GraphEdge, names, names, st.text(max_size=5)), max_size=30))
    return Graph(nodes, tuple(edges), draw(st.sampled_from(["", "cut at 15"])))


def test_a_graph_is_a_frozen_value():
    """Equal nodes and edges make equal graphs, and none can be changed."""
    assert stations(3) == stations(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stations(3).note = "other"


def test_folding_counts_and_keeps_the_arrows():
    """Groups become nodes that tell their number; edges between them are kept once."""
    folded = stations(4).folded()

    titles = {node.title for node in folded.nodes}
    assert {
        "atlas",
        "Atlas()",
        f"4 {TIMES} Weather",
        f"4 {TIMES} simulate",
        f"4 {TIMES} Pv",
    } == titles
    assert len(folded.edges) == 4
    assert {"weather", "pv", "tables", "atlas"} == {edge.label for edge in folded.edges}


def test_a_folded_node_shows_the_worst_state():
    """One failed run among many is seen in the folded graph too."""
    simulate = next(node for node in stations(4).folded().nodes if "simulate" in node.title)

    assert simulate.state == "failed"
    assert simulate.detail == "3 succeeded, 1 failed"
    assert simulate.count == 4


def test_a_run_and_a_version_of_one_group_name_stay_apart():
    """A task and a type may have one name."""
    nodes = (version("a", group="x"), version("b", group="x"), run("c", group="x"))

    folded = Graph(nodes, (GraphEdge("a", "c"), GraphEdge("c", "b"))).folded()

    assert len(folded.nodes) == 2
    assert len(folded.edges) == 2


@given(random_graphs())
@settings(max_examples=100, deadline=None)
def test_folding_loses_no_node(graph):
    """The counts of a folded graph add up, and folding twice changes nothing more."""
    folded = graph.folded()

    assert len(graph.nodes) == sum(node.count for node in folded.nodes)
    assert len(folded.nodes) == len({node.id for node in folded.nodes})
    assert folded == folded.folded()


def test_a_large_graph_is_drawn_folded_and_says_so():
    """Above the limit a drawing shows groups, and its note tells how many nodes there were."""
    large = stations(100)

    for form in (large.to_svg(), large.to_text()):
        assert f"100 {TIMES} Weather" in form
        assert "302 nodes folded into 5 groups" in form
    assert "Weather(99)" in large.to_svg(fold_above=1_000)


def test_the_tree_goes_upstream_from_a_result():
    """One result and many sources: the result stands first, what it came from below."""
    lines = stations(2).to_text().split("\n")

    assert lines[0] == "Atlas()"
    assert lines[1] == "└─ ← atlas: atlas  [succeeded]"
    assert lines[2] == "   ├─ ← tables: Pv(0)"


def test_the_tree_goes_downstream_from_a_single_source():
    """One source and many results: the source stands first."""
    graph = Graph(
        (version("Raw()"), run("r"), version("A()"), version("B()")),
        (GraphEdge("Raw()", "r"), GraphEdge("r", "A()"), GraphEdge("r", "B()")),
    )

    assert graph.to_text().split("\n") == ["Raw()", "└─ → r", "   ├─ → A()", "   └─ → B()"]


def test_a_branch_is_told_once():
    """A diamond's shared source is marked where it occurs again."""
    graph = Graph(
        (version("Top()"), run("r"), version("A()"), version("B()"), run("s"), version("Low()")),
        (
            GraphEdge("Top()", "r"),
            GraphEdge("r", "A()"),
            GraphEdge("r", "B()"),
            GraphEdge("A()", "s"),
            GraphEdge("B()", "s"),
            GraphEdge("s", "Low()"),
        ),
    )

    text = graph.to_text()

    assert text.count("(shown above)") == 1
    assert text.count("Top()") == 1


@given(random_graphs())
@settings(max_examples=100, deadline=None)
def test_the_tree_holds_every_node_and_the_note(graph):
    """Cycles and loops end; no node is left out."""
    text = graph.to_text()

    assert all(node.title in text for node in graph.nodes)
    assert graph.note in text


def test_a_deep_chain_prints():
    """Depth is bounded by memory, not by the interpreter's stack."""
    nodes = tuple(version(f"v{n}") for n in range(3_000))
    edges = tuple(GraphEdge(f"v{n}", f"v{n + 1}") for n in range(2_999))

    assert len(Graph(nodes, edges).to_text(fold_above=10_000).split("\n")) == 3_000


@pytest.mark.parametrize(
    "title",
    ['"]; end', "a`b`", "%%{init: {}}%%", "#quot;", "<b>&amp;", "line\nbreak", "\ud800\x00", "x|y"],
)
def test_mermaid_survives_any_title(title):
    """Nothing of a title can end its label: only plain letters and numbered entities are left."""
    graph = Graph((version("a", title), run("r", title)), (GraphEdge("a", "r", title),), title)

    text = graph.to_mermaid()

    node, pill, edge, note, style = text.strip().split("\n")[1:]
    label = r'"(?:[\w _.,()=/-]|#\d+;|\ufffd)+"'
    assert re.fullmatch(rf" +n0\[{label}\]", node)
    assert re.fullmatch(rf" +n1\(\[{label}\]\)", pill)
    assert re.fullmatch(rf" +n0 -->\|{label}\| n1", edge)
    assert re.fullmatch(rf" +note\[{label}\]", note)
    assert "style note" in style
    text.encode()


def test_mermaid_keeps_plain_titles_readable():
    """Usual titles come through as they are."""
    text = Graph((version("a", "Weather(station=3)", detail="v1, 2 MB"),)).to_mermaid()

    assert 'n0["Weather(station=3)<br/>v1, 2 MB"]' in text


def test_dot_quotes_what_it_must():
    """Quotes and backslashes of a title cannot end its string."""
    text = Graph((version("a", 'x"; evil \\'),), note='n"').to_dot()

    assert 'label="x\\"; evil \\\\"' in text
    assert 'label="n\\""' in text


def test_a_notebook_gets_every_form():
    """Drawing, page, Mermaid and text come in one bundle; a host may ask for some."""
    graph = stations(2)

    bundle = graph._repr_mimebundle_()

    kinds = {"image/svg+xml", "text/html", "text/vnd.mermaid", "text/plain"}
    assert kinds == set(bundle)
    assert bundle["image/svg+xml"] == graph._repr_svg_()
    assert bundle["text/html"] == graph._repr_html_()
    assert repr(graph) == str(graph) == bundle["text/plain"]
    assert {"text/plain"} == set(graph._repr_mimebundle_(include={"text/plain"}))
    assert "text/html" not in graph._repr_mimebundle_(exclude={"text/html"})


def test_every_form_shows_the_note():
    """A limit that cut the graph is visible everywhere."""
    graph = Graph((version("a"),), note="cut at 10")

    forms = (graph.to_svg(), graph.to_mermaid(), graph.to_dot(), graph.to_text())
    assert all("cut at 10" in form for form in forms)


def test_an_empty_graph_has_every_form():
    """Nothing recorded is told, not an error."""
    assert Graph().to_text() == "(nothing recorded)"
    assert Graph().to_mermaid() == "flowchart LR\n"
    assert Graph().to_dot().startswith("digraph")
