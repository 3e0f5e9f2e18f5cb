"""Tables of the docs that list what the code has: settings, errors, causes, public names."""

import re
from pathlib import Path

import rootcellar
from rootcellar.catalog.schema_tables import metadata
from rootcellar.causes import Cause
from rootcellar.retry import DEFAULT_RULES, NEVER
from rootcellar.schemas import errors
from rootcellar.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def table_after(page, mark):
    """Return the body rows of the table after `<!-- mark: … -->`, cells without backticks."""
    _, _, after = (DOCS / page).read_text(encoding="utf-8").partition(f"<!-- {mark}: ")
    rows = re.findall(r"^\|(.*)\|$", after.partition("\n\n")[2].partition("\n\n")[0], re.MULTILINE)
    return [[cell.strip().strip("`") for cell in row.split("|")] for row in rows[2:]]


def test_every_setting_is_described():
    """The settings page lists each setting once, in order, with its variable."""
    rows = table_after("reference/settings.md", "settings")

    assert [[name, f"ROOTCELLAR_{name.upper()}"] for name in Settings.model_fields] == [
        row[:2] for row in rows
    ]


def test_every_error_is_in_the_tree():
    """The errors page has each class with its parents and whether it is transient."""
    rows = table_after("reference/errors.md", "errors")
    classes = [getattr(errors, row[0]) for row in rows]
    bases = [[base.__name__ for base in kind.__bases__] for kind in classes]

    assert sorted(errors.__all__) == sorted(row[0] for row in rows)
    assert bases == [[row[1], *filter(None, [row[2]])] for row in rows]
    assert ["yes" if kind.transient else "no" for kind in classes] == [row[3] for row in rows]


def test_every_cause_has_its_defaults():
    """The retries page gives each cause the limits that the default policy has."""
    rows = table_after("howto/retries.md", "causes")
    expected = []
    for cause in Cause:
        rule = DEFAULT_RULES.get(cause, NEVER)
        waits = [f"{rule.base_seconds:.0f} s", f"{rule.ceiling_seconds:.0f} s"]
        expected.append(
            [cause.value, str(rule.max_retries), *(waits if rule.max_retries else ["", ""])]
        )

    assert expected == [row[:4] for row in rows]


def test_every_public_name_is_in_the_reference():
    """The page of names, or one it points to, has every name of `rootcellar`."""
    page = "".join((DOCS / "reference" / name).read_text() for name in ("api.md", "settings.md"))
    found = set(re.findall(r"\w+", page))
    names = set(rootcellar.__all__) - {"__version__", "RootcellarError"}

    assert set() == names - found


def test_every_table_of_the_catalog_is_described():
    """The page of tables has each table, with each of its columns in order."""
    page = (DOCS / "reference" / "tables.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (\w+)$", page, flags=re.MULTILINE)[1:]
    described = {
        name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }

    assert {table.name: [*table.columns.keys()] for table in metadata.sorted_tables} == described
