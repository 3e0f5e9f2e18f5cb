from html.parser import HTMLParser

import pytest

from rootcellar.demo import atlas
from rootcellar.demo.page import RunFacts, page

VOID = {"meta", "link", "br", "hr", "img"}
FACTS = RunFacts(
    tasks_run=121, tasks_reused=7, elapsed_seconds=34.21, files=136, stored_bytes=21_400_000
)
LINEAGE = '<svg id="lineage"><rect width="1" height="1"/></svg>'


class Outline(HTMLParser):
    """Collects tags, addresses and text, and checks that every element is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.addresses, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def rows(balance_of):
    balances = [balance_of(number) for number in (1, 4, 15)]
    return atlas.atlas(balances).to_pylist(), atlas.monthly(balances).to_pylist()


@pytest.fixture(scope="module")
def html(rows):
    return page(*rows, lineage_svg=LINEAGE, facts=FACTS)


@pytest.fixture(scope="module")
def outline(html):
    parser = Outline()
    parser.feed(html)
    parser.close()
    return parser


def test_needs_nothing_else(html, outline):
    """The page has no script, and every address points into itself."""
    assert "script" not in outline.seen
    assert {"#"} == {address[0] for address in outline.addresses}
    assert "url(" not in html
    assert "@import" not in html


def test_is_well_formed(outline):
    """Every element is closed in order."""
    assert [] == outline.open


def test_table_has_a_row_per_station(outline):
    """One heading row and one row per station; cells match headings."""
    assert 1 + 3 == outline.seen.count("tr")
    assert 3 * outline.seen.count("th") == outline.seen.count("td")


def test_says_what_was_found(outline):
    """The figures of the atlas and of the run stand in the text."""
    text = " ".join(outline.text)

    for expected in ("Bremerhaven", "Potsdam", "998", "121", "34.2 s", "136", "21.4 MB"):
        assert expected in text


def test_draws_maps_years_and_lineage(html, outline):
    """Three maps, the mean year, a year per station, and the lineage as it was given."""
    assert 3 * 15 == outline.seen.count("use")
    assert 3 * 3 == outline.seen.count("circle")
    assert 1 + 3 == html.count('class="demand" points=')
    assert LINEAGE in html


def test_themes(html):
    """Light and dark are both there, by the reader's own choice."""
    assert "prefers-color-scheme: dark" in html


def test_names_are_escaped(rows):
    """A name cannot become markup."""
    stations, months = rows
    hostile = [{**row, "name": "<b>&"} for row in stations]

    assert "<b>" not in page(hostile, months, lineage_svg=LINEAGE, facts=FACTS)


def test_small_demo(rows):
    """One station and one turbine still make a page: without the wind's map, with a dash."""
    stations, months = rows
    one = [{**stations[1], "swt142_full_load_h": None}]
    html = page(
        one,
        [row for row in months if row["station"] == one[0]["station"]],
        lineage_svg=LINEAGE,
        facts=FACTS,
    )

    assert 2 == html.count('class="map ')
    assert "&ndash;" in html
