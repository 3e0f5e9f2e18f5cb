"""Links between README, docs and tests lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
_TEST = re.compile(r"`(tests/[\w/.]+)`")


def heading_ids(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles]
    return {re.sub(r"[\s-]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_resolve(page):
    """Each link to another page, and to a heading of one, has its target."""
    broken = []
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor[1:] not in heading_ids(path)):
            broken.append(f"{target}{anchor}")

    assert [] == broken


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tests_that_pages_name_exist(page):
    """A page that says which test shows a promise names one that is there."""
    named = _TEST.findall(page.read_text(encoding="utf-8"))

    assert [] == [name for name in named if not (ROOT / name).exists()]


def test_every_page_is_in_the_navigation():
    """No page is written and then not found."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]

    assert [] == [page for page in pages if f" {page}\n" not in navigation]
