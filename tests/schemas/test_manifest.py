"""Manifest: what a folder holds, in one canonical text."""

import json
import pickle
import random
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.manifest import Manifest, Member, check_member_path

DIGEST = Digest.of(b"x")
SEGMENTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\\\x7f", min_codepoint=32),
    min_size=1,
).filter(lambda text: text not in {".", ".."})
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
MEMBERS = st.lists(
    st.builds(Member, path=PATHS, size_bytes=st.integers(0), digest=st.binary().map(Digest.of)),
    unique_by=lambda member: member.path,
    max_size=6,
).filter(
    lambda members: (
        not any(one.path.startswith(f"{other.path}/") for one in members for other in members)
    )
)


def member(path, content=b"x"):
    return Member(path=path, size_bytes=len(content), digest=Digest.of(content))


def text_of(**changes):
    one = {"path": "a", "size_bytes": 1, "digest": str(DIGEST)}
    return json.dumps({"members": [one], **changes}).encode()


@given(MEMBERS, st.sampled_from(["", "v-1", "a/b"]), st.randoms())
def test_a_manifest_is_canonical(members, root, order):
    """Whatever the order of its members, it is one value with one text, which reads back."""
    manifest = Manifest.of(members, root=root)
    shuffled = order.sample(members, len(members))

    assert manifest == Manifest.of(shuffled, root=root)
    assert manifest.to_bytes() == Manifest.of(shuffled, root=root).to_bytes()
    assert manifest == Manifest.from_bytes(manifest.to_bytes(), uri="raw://a")
    assert sum(one.size_bytes for one in members) == manifest.size_bytes


@given(MEMBERS, PATHS)
def test_the_digest_is_of_the_content(members, root):
    """Where the members lie is not in it."""
    assert Manifest.of(members).digest == Manifest.of(members, root=root).digest


@given(MEMBERS, MEMBERS)
def test_other_content_has_another_digest(one, other):
    """A path, a size or a digest more, less or different shows."""
    assume(sorted(one, key=str) != sorted(other, key=str))

    assert Manifest.of(one).digest != Manifest.of(other).digest


def test_the_digest_is_fixed():
    """It is stored in catalogs: a change of its rule would make every folder look new."""
    manifest = Manifest.of([member("b/ü", b"two"), member("a", b"one")])

    lines = f"{Digest.of(b'one')} 3 a\n{Digest.of(b'two')} 3 b/ü\n"
    assert Digest.of(lines.encode()) == manifest.digest


def test_the_text_is_fixed():
    """It lies in stores: any later version must read this."""
    text = Manifest.of([member("ü")], root="v-1").to_bytes().decode()

    expected = f'{{"path":"ü","size_bytes":1,"digest":"{DIGEST}"}}'
    assert f'{{"format":1,"root":"v-1","members":[{expected}]}}' == text


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/..", "a/./b", "a/../b", "./a", "a\\b",
     "..\\a", "a\x00", "a\n", "\x1b[1m", "a\x7f", "a\ud800", "..\n"],
)  # fmt: skip
def test_a_hostile_path_is_refused(path):
    """By the check, by a member, and as the root of a manifest; escaped in the message."""
    with pytest.raises(ValueError, match="not a path inside a folder") as caught:
        check_member_path(path)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    with pytest.raises(ValidationError):
        member(path)
    with pytest.raises(ContentError, match=r"members\.0\.path: not a path|hex escape"):
        Manifest.from_bytes(
            text_of(members=[{"path": path, "size_bytes": 1, "digest": DIGEST}]), uri="raw://a"
        )
    if path:
        with pytest.raises(ContentError):
            Manifest.of([], root=path)


@pytest.mark.parametrize(
    "path", ["a", "a/b", "...", ".a", "..a", "a..", "a b", "ü/ö", "~", "*", " "]
)
def test_a_plain_path_is_taken(path):
    """Dots in names, blanks and letters of any script are fine."""
    assert path == check_member_path(path)


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["a/b", "a/b/c/d"]])
def test_one_path_is_one_file(paths):
    """A path twice, or a file that is also a folder, cannot be written to a disk again."""
    with pytest.raises(ContentError, match="no manifest can list it"):
        Manifest.of(map(member, paths))
    members = [{"path": path, "size_bytes": 1, "digest": DIGEST} for path in paths]
    with pytest.raises(ContentError, match="cannot be read"):
        Manifest.from_bytes(text_of(members=members), uri="raw://a")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[]", "object"),
        (b"{}", "members: Field required"),
        (text_of(format=2), "format: Input should be 1"),
        (text_of(extra=1), "extra"),
        (text_of(members=[{"path": "a", "size_bytes": "1", "digest": DIGEST}]), "size_bytes"),
        (text_of(members=[{"path": "a", "size_bytes": -1, "digest": DIGEST}]), "size_bytes"),
        (text_of(members=[{"path": "a", "size_bytes": 1, "digest": "x"}]), "not a digest"),
        (text_of(members=[{"path": "a", "size_bytes": 1, "digest": DIGEST, "x": 1}]), "x"),
        (
            text_of(members=[{"path": p, "size_bytes": 1, "digest": DIGEST} for p in "ba"]),
            "not sorted",
        ),
    ],
)
def test_what_is_no_manifest_is_refused(text, problem):
    """The error names URI, place and remedy."""
    with pytest.raises(ContentError, match=problem) as caught:
        Manifest.from_bytes(text, uri="raw://folder")

    assert "raw://folder" == caught.value.uri
    assert caught.value.remedy.startswith("Publish the folder again")
    assert len(str(caught.value)) < 400


def test_a_member_is_a_value():
    """Frozen, hashable, and itself after pickling."""
    one = member("a")

    assert {one} == {member("a")}
    assert one == pickle.loads(pickle.dumps(one))
    with pytest.raises((ValidationError, AttributeError)):
        one.path = "b"


def test_a_large_folder_is_no_burden():
    """100,000 files are listed, written and read in 1.3 s of processor time; the limit is loose."""
    paths = [f"year={i % 100}/part-{i}.parquet" for i in range(100_000)]
    random.Random(0).shuffle(paths)
    begun = time.process_time()

    manifest = Manifest.of(Member(path=path, size_bytes=1, digest=DIGEST) for path in paths)
    Manifest.from_bytes(manifest.to_bytes(), uri="raw://a")

    assert time.process_time() - begun < 6
