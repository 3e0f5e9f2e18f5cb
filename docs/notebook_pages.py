"""A page for each notebook under docs/tutorials: its words and its code, as they stand.

A hook of mkdocs, so that a notebook is written once and no further package is needed to show it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

__all__ = ["on_files"]

_NOTE = "\n*This page is a notebook: [download it]({name}) and run it.*\n"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages; the notebooks themselves stay beside them."""
    for file in [one for one in files if one.src_uri.endswith(".ipynb")]:
        cells = json.loads(Path(str(file.abs_src_path)).read_text(encoding="utf-8"))["cells"]
        page = Path(file.src_uri).with_suffix(".md").as_posix()
        name = Path(file.src_uri).name
        text = "\n\n".join(_markdown(cell) for cell in cells) + "\n"
        title, _, rest = text.partition("\n")
        told = f"{title}\n{_NOTE.format(name=name)}{rest}"
        files.append(File.generated(config, page, content=told))
    return files


def _markdown(cell: dict[str, object]) -> str:
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)  # type: ignore[arg-type]
    return text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
