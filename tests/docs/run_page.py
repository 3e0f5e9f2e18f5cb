"""Run one page of the docs in the working folder, block after block, as a reader would.

A block with a title is written as that file. Other Python blocks share one namespace. These
comments before a block say something of it:

    <!-- not run: reason -->     leave it alone
    <!-- prints -->              the block is what the Python block before it prints; `...` matches
                                 anything
    <!-- in the background -->   a console block whose command runs until the page ends
"""

import contextlib
import doctest
import importlib
import io
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parent)

from page_blocks import Block, blocks_of  # noqa: E402  the folder above must be on the path first

_PRINTS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Page:
    """The state of one page while it is run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = {"__name__": "page"}
        self._printed = ""
        self._modules: dict[str, None] = {}
        self._background: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        try:
            for block in blocks_of(self._path):
                self._run_block(block)
            for module in self._modules:
                importlib.import_module(module)
        finally:
            for process in self._background:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def _run_block(self, block: Block) -> None:
        if block.is_skipped:
            return
        if block.title:
            self._write(block)
        elif "prints" in block.notes:
            self._compare(block)
        elif "in the background" in block.notes:
            self._start(block)
        elif block.language == "python":
            self._execute(block)

    def _write(self, block: Block) -> None:
        target = Path(block.title)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
        if target.suffix == ".py":
            compile(block.text, block.title, "exec")
            sys.modules.pop(target.stem, None)
            importlib.invalidate_caches()
            self._modules[target.stem] = None

    def _execute(self, block: Block) -> None:
        padded = "\n" * (block.line - 1) + block.text
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(padded, str(self._path), "exec"), self._names)
        finally:
            self._printed = printed.getvalue()

    def _compare(self, block: Block) -> None:
        if not doctest.OutputChecker().check_output(block.text, self._printed, _PRINTS):
            raise SystemExit(
                f"{self._path}:{block.line}: the page says\n{block.text}\nand it prints\n"
                f"{self._printed}"
            )

    def _start(self, block: Block) -> None:
        words = shlex.split(block.text.removeprefix("$ "), comments=True)
        with Path("background.log").open("ab") as log:
            self._background.append(
                subprocess.Popen(
                    [sys.executable, "-m", *words], stdout=log, stderr=subprocess.STDOUT
                )
            )


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    os.environ["PYTHONPATH"] = str(Path.cwd())
    Page(Path(sys.argv[1])).run()
