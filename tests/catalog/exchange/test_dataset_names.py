"""Names of datasets: as OpenLineage names places."""

from __future__ import annotations

import pytest

from rootcellar.catalog.exchange.dataset_names import DatasetNames

STORES = {"raw": "s3://grid/raw", "derived": "/srv/derived"}


@pytest.mark.parametrize(
    ("template", "uri", "namespace", "name"),
    [
        ("raw://w/{n:02d}.dat", "raw://w/03.dat", "s3://grid", "raw/w"),
        ("raw://{n}.dat", "raw://3.dat", "s3://grid", "raw/weather"),
        ("raw://w/tilt={n}", "raw://w/tilt=3", "s3://grid", "raw/w"),
        ("raw://w/all.dat", "raw://w/all.dat", "s3://grid", "raw/w/all.dat"),
        ("", "raw://w/3", "s3://grid", "raw/weather"),
        ("derived://w/{n}", "derived://w/3", "file://derived", "/w"),
        ("unknown://w/{n}", "unknown://w/3", "file://unknown", "/w"),
        ("s3a://bucket/w/{n}", "s3a://bucket/w/3", "s3://bucket", "w"),
    ],
)
def test_names_follow_the_places(template, uri, namespace, name):
    """As OpenLineage's naming says; a folder of a host is a share of the store's name."""
    found = DatasetNames(stores=STORES).dataset("weather", template, uri)

    assert (namespace, name) == (found.namespace, found.name)


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("s3://b", "s3://b", "w/3"),
        ("gs://b/p", "gs://b", "p/w/3"),
        ("abfs://c@a.dfs.core.windows.net", "abfss://c@a.dfs.core.windows.net", "/w/3"),
        ("memory://x", "inmemory://", "raw/w/3"),
        ("sftp://user@host/data", "file://host", "/data/w/3"),
        ("file:///data", "file://raw", "/w/3"),
    ],
)
def test_each_artifact_may_be_a_dataset(url, namespace, name):
    """The switch names whole objects."""
    names = DatasetNames(stores={"raw": url}, granularity="artifact")
    found = names.dataset("weather", "raw://w/{n}", "raw://w/3")

    assert (namespace, name) == (found.namespace, found.name)
