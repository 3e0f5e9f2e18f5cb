"""The code blocks of a page of Markdown, and what the page says about them."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"(?P<notes>(?:^[ ]*<!--[^>]*-->\n+)*)"
    r"^(?P<indent>[ ]*)```(?P<language>\w+)(?P<attributes>[^\n]*)\n"
    r"(?P<text>.*?)"
    r"^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_NOTE = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
# Not the form of one line: ruff takes that for Python, and formats it.
_SNIPPET = re.compile(r"--8<--\n(.+)\n--8<--\n")


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is the page's line of its first line of text, from 1."""

    language: str
    title: str
    text: str
    line: int
    notes: tuple[str, ...]

    @property
    def is_skipped(self) -> bool:
        return any(note.startswith("not run: ") for note in self.notes)


def blocks_of(page: Path) -> list[Block]:
    content = page.read_text(encoding="utf-8")
    return [_block(found, content) for found in _FENCE.finditer(content)]


def _block(found: re.Match[str], content: str) -> Block:
    title = _TITLE.search(found["attributes"])
    text = textwrap.dedent(found["text"])
    text = _SNIPPET.sub(lambda path: (ROOT / path[1]).read_text(encoding="utf-8"), text)
    return Block(
        language=found["language"],
        title=title[1] if title else "",
        text=text,
        line=content.count("\n", 0, found.start("text")) + 1,
        notes=tuple(_NOTE.findall(found["notes"])),
    )
