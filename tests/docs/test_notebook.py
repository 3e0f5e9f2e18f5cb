"""The example notebook, from the first cell to the last, in an empty folder."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"

pytestmark = [
    pytest.mark.end_to_end,
    # Of the client's own event loop and sockets, on their way out.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def outputs_of(notebook, text):
    cell = next(cell for cell in notebook.cells if text in cell.source)
    return cell.outputs


def test_notebook_runs_and_draws(execute):
    """Every cell runs; graphs are SVG, tables HTML, and frames arrive."""
    executed = execute(NOTEBOOK)
    drawn = outputs_of(executed, "cat.graph(Best(station=3))")[0].data
    table = outputs_of(executed, 'cat.versions("generation", station=3)')[0].data
    frame = outputs_of(executed, "Best(station=3).load().to_pandas()")[0].data

    assert "image/svg+xml" in drawn
    assert "compare" in drawn["image/svg+xml"]
    assert "<table" in table["text/html"]
    assert "35" in frame["text/plain"].splitlines()[1]


def test_notebook_is_kept_without_outputs():
    """Outputs would put somebody's paths and times into the repository."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells

    assert [] == [cell.source for cell in cells if cell.get("outputs")]
    assert [] == [cell.source for cell in cells if cell.get("execution_count")]
