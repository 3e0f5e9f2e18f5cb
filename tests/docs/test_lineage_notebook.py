"""The lineage tutorial, on the demo's catalog, from the first cell to the last."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorials" / "lineage.ipynb"

pytestmark = [
    pytest.mark.end_to_end,
    # Of the client's own event loop and sockets, on their way out.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def said(notebook, last_line):
    """What a cell that ends so gave, as text, and in which forms."""
    cell = next(c for c in notebook.cells if c.source.endswith(last_line))
    forms = {kind: form for one in cell.outputs for kind, form in one.get("data", {}).items()}
    printed = "".join(one.get("text", "") for one in cell.outputs)
    return printed + forms.get("text/plain", ""), forms


def test_the_story_holds(execute):
    """Each answer tells what happened: one weather was corrected. Graphs draw themselves."""
    told = execute(NOTEBOOK)
    stale, _ = said(told, '"cause", "argument", "input_key")')
    sentence, _ = said(told, "print(why.sentence)")

    assert "17" == said(told, "len(outcome.runs)")[0]
    assert "changed   weather" in stale
    assert "station=2" not in stale
    assert "8 runs in 3 steps" in said(told, "\nplan")[0]
    assert said(told, "round(after - before, 2)")[0].startswith("(0, ")
    assert "because weather(station=1) has other content, pushed by hand" in sentence
    assert "exact match" in said(told, 'cat.whence("from-a-mail.parquet")')[0]
    assert "atlas() version 1" in said(told, "cat.find(Weather(station=1))")[0]
    assert "builtins.KeyError" in said(told, '"message", "count")')[0]
    assert "no longer at its URI" in said(told, 'sep="\\n")')[0]
    assert "versions=19, runs=17" in said(told, "exported")[0]

    for cell in ("graph.folded()", "cat.map()", "why.graph()", "graph.widget()"):
        assert said(told, cell)[1]["image/svg+xml"].startswith("<svg")
    assert "application/vnd.jupyter.widget-view+json" in said(told, "graph.widget()")[1]


def test_it_is_kept_without_outputs():
    """Outputs would put somebody's paths and times into the repository."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells

    assert [] == [cell.source for cell in cells if cell.get("outputs")]
    assert [] == [cell.source for cell in cells if cell.get("execution_count")]
