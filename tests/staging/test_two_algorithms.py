"""Digests of two algorithms side by side: new ones as the settings say, old ones stay valid."""

from __future__ import annotations

import sys
import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import DigestMismatch, SettingsError
from rootcellar.schemas.manifest import MANIFEST_NAME, Manifest
from rootcellar.staging import Cache, Output, StagingSession, Stores
from rootcellar.staging.engine.hashing import digest_bytes

blake3 = pytest.importorskip("blake3")
MIB = 1024 * 1024


@pytest.fixture(params=["folder", "memory", "s3"])
def make_stores(request, tmp_path):
    """Open the same place with one algorithm or the other."""
    options = {}
    if request.param == "folder":
        url = str(tmp_path / "store")
        options = {"auto_mkdir": True}
    elif request.param == "memory":
        url = f"memory://{uuid.uuid4()}"
    else:
        url = f"s3://{request.getfixturevalue('bucket')}/root"
        options = request.getfixturevalue("s3_options")
    locations = {"raw": {"url": url, "options": options}}
    return lambda algorithm: Stores.from_mapping(locations, algorithm=algorithm)


def publish(stores, cache, content, kind="file"):
    with StagingSession(stores, cache, run_uid=uuid.uuid4().hex) as run:
        path = run.reserve_output("a", "a")
        if kind == "file":
            path.write_bytes(content)
        else:
            path.mkdir()
            for name, size in (("small", 10), ("large", len(content))):
                (path / name).write_bytes(content[:size])
        run.prepare_output(Output(uri="raw://a", path=path, kind=kind))
        return run.publish()[0]


def stage(stores, cache, published, *, expected):
    with StagingSession(stores, cache, run_uid=uuid.uuid4().hex) as run:
        found = run.locate("raw://a", published.kind)
        staged = run.stage_in(found, argument="a", name="a", expected=expected)
        paths = sorted(staged.path.iterdir()) if staged.path.is_dir() else [staged.path]
        return staged, [path.read_bytes() for path in paths]


@pytest.mark.parametrize("size", [10, 9 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("new", ["sha256", "blake3"])
def test_file(make_stores, tmp_path, size, new):
    """What was published by one algorithm is staged and checked by it under the other."""
    old = {"sha256": "blake3", "blake3": "sha256"}[new]
    content = uuid.uuid4().bytes * (size // 16 + 1)
    published = publish(make_stores(old), Cache(tmp_path / "one"), content)
    stores, elsewhere = make_stores(new), Cache(tmp_path / "two")
    staged, contents = stage(stores, elsewhere, published, expected=published.digest)
    unknown, _ = stage(stores, Cache(tmp_path / "three"), published, expected=None)

    assert digest_bytes(content, old) == published.digest == staged.digest
    assert [content] == contents
    assert digest_bytes(content, new) == unknown.digest
    with pytest.raises(DigestMismatch):
        stage(stores, elsewhere, published, expected=digest_bytes(b"other", old))


def test_folder(make_stores, tmp_path):
    """Members have the new algorithm's digests; a manifest's own is always sha256."""
    content = bytes(3 * MIB)
    published = publish(make_stores("blake3"), Cache(tmp_path / "one"), content, "folder")
    stores = make_stores("sha256")
    staged, contents = stage(stores, Cache(tmp_path / "two"), published, expected=published.digest)
    address = stores.store_for(f"raw://a/{MANIFEST_NAME}")
    pin = address.store.stat(address.key)
    text = address.store.read(address.key, pin, 0, pin.size_bytes)
    members = Manifest.from_bytes(text, uri="raw://a").members

    assert "sha256" == staged.digest.algorithm
    assert [content, content[:10]] == contents
    assert {"blake3"} == {member.digest.algorithm for member in members}


def test_missing_package_is_said_at_once(monkeypatch):
    """When stores are made, not in the middle of a run."""
    monkeypatch.setitem(sys.modules, "blake3", None)

    with pytest.raises(SettingsError, match=r"rootcellar\[blake3\]"):
        Stores([], algorithm="blake3")


def test_known_answer():
    """The digest is BLAKE3's own: the empty input's, from its published test vectors."""
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"

    assert Digest(f"blake3:{empty}") == digest_bytes(b"", "blake3")
