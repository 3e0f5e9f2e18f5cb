"""Types of merged catalogs: all revisions, and the last declaration."""

from __future__ import annotations

from rootcellar.catalog.catalog import Catalog


def test_the_type_declared_last_is_current_whichever_way(tmp_path, records):
    """Two definitions of one type: both catalogs end with the later as the current one."""
    old, new = (records.type_record("weather", definition={"rev": n}) for n in (1, 2))
    catalogs = [Catalog(f"sqlite:///{tmp_path}/{name}.sqlite") for name in "abcd"]
    for first, second in (catalogs[:2], catalogs[2:]):
        first.declare([old])
        second.declare([new])
    catalogs[0].push(catalogs[1])
    catalogs[3].push(catalogs[2])
    found = [catalogs[one].types()[0] for one in (1, 2)]
    for one in catalogs:
        one.dispose()

    assert [{"rev": 2}] * 2 == [one.definition for one in found]
