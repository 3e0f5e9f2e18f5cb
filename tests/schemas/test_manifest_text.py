"""The text of a manifest as a stream is what `Manifest` reads and writes whole."""

import json
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas import manifest_text
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.manifest import Manifest, Member
from rootcellar.schemas.manifest_text import Line, ManifestText, ManifestWriter, in_order

DIGEST = Digest.of(b"x")
SEGMENTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="/\\\x7f", min_codepoint=32),
        st.sampled_from('"{},:. aü'),
    ),
    min_size=1,
    max_size=6,
).filter(lambda text: text not in {".", ".."})
PATHS = st.one_of(
    st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join),
    st.just('"},{"path":"x'),
    st.just('"digest":"'),
)
MEMBERS = st.lists(
    st.builds(Member, path=PATHS, size_bytes=st.integers(0), digest=st.binary().map(Digest.of)),
    unique_by=lambda member: member.path,
    max_size=8,
).filter(
    lambda members: (
        not any(one.path.startswith(f"{other.path}/") for one in members for other in members)
    )
)
ROOTS = st.sampled_from(["", "v-1", "a/b", 'q"'])
FILES = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def lines_of(manifest):
    return [Line(m.path, m.size_bytes, m.digest) for m in manifest.members]


def opened(tmp_path, text):
    path = tmp_path / "manifest"
    path.write_bytes(text)
    return ManifestText(path, uri="raw://folder")


def same(manifest, text):
    assert (manifest.root, manifest.digest, manifest.size_bytes, len(manifest.members)) == (
        text.root,
        text.digest,
        text.size_bytes,
        text.members,
    )
    assert lines_of(manifest) == list(text) == list(text)
    return True


@FILES
@given(MEMBERS, ROOTS)
def test_what_is_streamed_is_what_is_parsed_whole(tmp_path, members, root):
    """Root, digest, sizes and every member; as often as it is iterated."""
    manifest = Manifest.of(members, root=root)

    assert same(manifest, opened(tmp_path, manifest.to_bytes()))


@FILES
@given(MEMBERS, ROOTS)
def test_what_is_streamed_out_is_what_is_written_whole(members, root):
    """The same bytes, and the same digest."""
    manifest = Manifest.of(members, root=root)
    writer = ManifestWriter(lines_of(manifest), root=root)

    assert manifest.to_bytes() == b"".join(writer.blocks())
    assert (manifest.digest, manifest.size_bytes, len(manifest.members)) == (
        writer.digest,
        writer.size_bytes,
        writer.members,
    )


@FILES
@given(MEMBERS)
def test_what_is_summed_up_is_not_written(members):
    """What is known of the lines is the same, without their text."""
    manifest = Manifest.of(members)
    writer = ManifestWriter(lines_of(manifest))
    writer.sum_up()

    assert (manifest.digest, manifest.size_bytes, len(manifest.members)) == (
        writer.digest,
        writer.size_bytes,
        writer.members,
    )


@FILES
@given(MEMBERS, ROOTS, st.integers(8, 80))
def test_the_length_of_a_block_does_not_show(monkeypatch, tmp_path, members, root, block):
    """Lines, letters and the end may be cut by it anywhere."""
    manifest = Manifest.of(members, root=root)
    path = tmp_path / "manifest"
    path.write_bytes(manifest.to_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(manifest_text, "_BLOCK_BYTES", block)
        text = ManifestText(path, uri="raw://folder")

        assert same(manifest, text)


@FILES
@given(MEMBERS, st.data())
def test_damaged_bytes_are_read_or_refused_alike(tmp_path, members, data):
    """Whatever byte is changed, cut or put in: either both read it, as the same, or none does."""
    good = Manifest.of(members, root="v-1").to_bytes()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 3)))
    piece = data.draw(st.one_of(st.binary(max_size=3), st.sampled_from([b",", b'"', b"\\", b" "])))
    text = good[:start] + piece + good[end:]
    try:
        manifest = Manifest.from_bytes(text, uri="raw://folder")
    except ContentError as error:
        with pytest.raises(ContentError, match=f"^{re.escape(str(error))}$"):
            opened(tmp_path, text)
    else:
        assert same(manifest, opened(tmp_path, text))


@pytest.mark.parametrize("indent", [None, 2])
def test_another_layout_is_read_too(tmp_path, indent):
    """A manifest that somebody's tool has written anew holds the same."""
    manifest = Manifest.of(
        [Member(path=path, size_bytes=1, digest=DIGEST) for path in ("a", "b/ü")], root="v-1"
    )
    text = json.dumps(json.loads(manifest.to_bytes()), indent=indent).encode()

    assert same(manifest, opened(tmp_path, text))


def test_a_large_file_of_another_layout_is_refused(tmp_path, monkeypatch):
    """It would have to be held in memory whole."""
    monkeypatch.setattr(manifest_text, "_LONGEST_FOREIGN", 100)

    with pytest.raises(ContentError, match="large, and not as rootcellar writes it"):
        opened(tmp_path, b" " * 101)


def test_a_member_longer_than_a_block_is_read(tmp_path):
    """As long as its path is one."""
    manifest = Manifest.of([Member(path="x" * 300_000, size_bytes=1, digest=DIGEST)])

    assert same(manifest, opened(tmp_path, manifest.to_bytes()))


@given(st.lists(PATHS, max_size=8))
def test_order_tells_twins_without_holding_names(paths):
    """A path twice, or a file that is also a folder, is seen as `Manifest` sees it."""
    lines = [Line(path, 1, DIGEST) for path in sorted(paths)]
    try:
        Manifest.of([Member(path=p, size_bytes=s, digest=d) for p, s, d in lines])
    except ContentError:
        with pytest.raises(ValueError, match=r"named twice|as a file and as a folder"):
            list(in_order(lines))
    else:
        assert lines == list(in_order(lines))


def test_members_out_of_order_are_refused():
    """They could not be checked as they come."""
    lines = [Line("b", 1, DIGEST), Line("a", 1, DIGEST)]

    with pytest.raises(ContentError, match="not sorted"):
        b"".join(ManifestWriter(lines).blocks())


def test_a_hundred_thousand_members_are_read_in_a_moment(tmp_path):
    """In half a second of processor time; the limit is loose."""
    lines = [Line(f"part-{i:06}", 1, DIGEST) for i in range(100_000)]
    with (tmp_path / "manifest").open("wb") as file:
        file.writelines(ManifestWriter(lines, root="v-1").blocks())
    begun = time.process_time()

    text = ManifestText(tmp_path / "manifest", uri="raw://folder")
    count = sum(1 for _ in text)

    assert (100_000, 100_000) == (text.members, count)
    assert time.process_time() - begun < 4
