"""Draw docs/assets/lineage.svg: the folded lineage of the demo's atlas, as the library draws it.

Run it with the demo's extra installed: `python docs/draw_lineage.py`.
"""

import tempfile
from pathlib import Path

from rootcellar import Catalog
from rootcellar.demo.run import DemoOptions, Watch, run_demo

_PICTURE = Path(__file__).parent / "assets" / "lineage.svg"


def main() -> None:
    """Run the demo in a temporary folder and keep the picture."""
    with tempfile.TemporaryDirectory() as folder:
        run_demo(DemoOptions(folder=Path(folder)), watch=Watch())
        with Catalog() as catalog:
            atlas = catalog.versions("atlas")[0]
            drawing = atlas.graph().folded().to_svg()
    _PICTURE.parent.mkdir(exist_ok=True)
    _PICTURE.write_text(drawing + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
