"""Outputs appear at once and whole, or not at all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError, MissingOutput, StoreUnavailable
from rootcellar.schemas.manifest import Manifest
from rootcellar.staging import Output
from rootcellar.staging.publication.publication import Publication

ROOT = "v-01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def publication(stores):
    return Publication(stores)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"content")
    return Output(uri="raw://out/file", path=path, kind="file", artifact="Out(station=3)")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "out"
    (path / "b" / "empty").mkdir(parents=True)
    (path / "a").write_bytes(b"a")
    (path / "b" / "c").write_bytes(b"ccc")
    return Output(uri="raw://out/folder", path=path, kind="folder", root=ROOT, artifact="Out()")


def keys(stores):
    return sorted(item.key for item in stores.named("raw").list(""))


def test_a_file_is_published_with_its_digest(publication, stores, file):
    """What is returned describes what is in the store."""
    publication.prepare(file)

    assert keys(stores) == []

    [published] = publication.commit()

    assert Digest.of(b"content") == published.digest
    assert (published.size_bytes, published.members, published.transferred_bytes) == (7, None, 7)
    assert stores.named("raw").stat("out/file") == published.pin


@pytest.mark.parametrize("root", [ROOT, ""])
def test_a_folder_is_published_by_its_manifest(publication, stores, folder, root):
    """Members lie below the version's root, and the manifest, last, names them all."""
    output = Output(uri=folder.uri, path=folder.path, kind="folder", root=root)
    publication.prepare(output)

    below = f"out/folder/{root}/" if root else "out/folder/"
    assert [f"{below}a", f"{below}b/c"] == keys(stores)

    [published] = publication.commit()

    assert sorted(["out/folder/_manifest.json", f"{below}a", f"{below}b/c"]) == keys(stores)
    pin = published.pin
    text = stores.named("raw").read("out/folder/_manifest.json", pin, 0, pin.size_bytes)
    manifest = Manifest.from_bytes(text, uri=folder.uri)
    assert (manifest.digest, root) == (published.digest, manifest.root)
    assert [member.path for member in manifest.members] == ["a", "b/c"]
    assert (published.members, published.size_bytes) == (2, 4)


def test_all_outputs_are_published_or_none(publication, stores, file, folder, tmp_path):
    """One output that cannot be prepared keeps the others invisible."""
    publication.prepare(file)
    publication.prepare(folder)
    with pytest.raises(MissingOutput):
        publication.prepare(Output(uri="raw://none", path=tmp_path / "none", kind="file"))

    publication.abort()
    publication.abort()

    assert keys(stores) == []


def test_an_aborted_publication_leaves_no_hidden_files(
    folder_stores, file, folder, tmp_path, files_below
):
    """What was transferred is given up, not only not shown."""
    publication = Publication(folder_stores)
    publication.prepare(file)
    publication.prepare(folder)

    publication.abort()

    assert files_below(tmp_path / "store") == []


def test_several_outputs_keep_their_order(publication, file, folder):
    """Results come in the order of preparation."""
    publication.prepare(folder)
    publication.prepare(file)

    assert [folder.uri, file.uri] == [item.uri for item in publication.commit()]


def test_a_folder_without_its_manifest_is_not_there(publication, stores, folder, monkeypatch):
    """If the manifest cannot be written, what is left is no folder to anybody."""
    from rootcellar.staging.folders.folder_input import pin_of_folder

    publication.prepare(folder)
    store = stores.named("raw")
    address = stores.store_for(folder.uri)
    seen = []

    def fail(key, content):
        assert key.endswith("_manifest.json")
        seen.append(pin_of_folder(address))
        raise StoreUnavailable("down")

    monkeypatch.setattr(store, "write_small", fail)

    with pytest.raises(StoreUnavailable):
        publication.commit()

    assert seen == [None]
    assert pin_of_folder(address) is None
    assert not [key for key in keys(stores) if not key.startswith(f"out/folder/{ROOT}/")]


def test_a_missing_output_names_the_artifact(publication, tmp_path):
    """An output that the body did not write is named, with its URI and a remedy."""
    output = Output(uri="raw://x", path=tmp_path / "x", kind="file", artifact="Out(station=3)")

    with pytest.raises(MissingOutput, match=r"Out\(station=3\) at raw://x") as raised:
        publication.prepare(output)
    assert raised.value.remedy


def make_link(path):
    path.symlink_to("/etc/passwd")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


SPECIAL = {
    "a symbolic link": make_link,
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a folder": os.mkdir,
}


@pytest.mark.parametrize("described", SPECIAL)
def test_only_regular_files_are_published(folder_stores, tmp_path, described):
    """Links, FIFOs, sockets and folders are refused where a file is due, never opened."""
    SPECIAL[described](tmp_path / "x")

    with pytest.raises(ContentError, match=described):
        Publication(folder_stores).prepare(Output(uri="raw://x", path=tmp_path / "x", kind="file"))


@pytest.mark.parametrize("described", [name for name in SPECIAL if name != "a folder"])
def test_a_folder_holds_regular_files_only(folder_stores, folder, described):
    """A special file anywhere in a folder refuses it before anything is sent."""
    SPECIAL[described](folder.path / "b" / "x")

    with pytest.raises(ContentError, match=rf"'b/x' is {described}"):
        Publication(folder_stores).prepare(folder)
    assert keys(folder_stores) == []


@pytest.mark.parametrize("name", [b"_manifest.json", b"new\nline", b"\xff\xfe", b"back\\slash"])
def test_names_that_cannot_be_kept_are_refused(folder_stores, folder, name):
    """The manifest's own name, control characters and broken encodings are refused."""
    (folder.path / os.fsdecode(name)).touch()

    with pytest.raises(ContentError, match="member "):
        Publication(folder_stores).prepare(folder)


def test_a_file_in_place_of_a_folder_is_refused(folder_stores, file):
    """A folder artifact needs a folder."""
    with pytest.raises(ContentError, match="a file, not a folder"):
        Publication(folder_stores).prepare(
            Output(uri=file.uri, path=file.path, kind="folder", root=ROOT)
        )


def test_a_root_is_a_versions_own(folder_stores, folder):
    """Members never go where another version's or a foreign file may lie."""
    with pytest.raises(ValueError, match="root"):
        Publication(folder_stores).prepare(
            Output(uri=folder.uri, path=folder.path, kind="folder", root="data")
        )


class Write:
    """Writes to an output while it is uploaded."""

    def __init__(self, path):
        self.path = path

    def advance(self, size_bytes):
        with self.path.open("ab") as file:
            file.write(b"more")


@pytest.mark.timeout(30)
def test_an_output_that_is_written_to_meanwhile_is_refused(folder_stores, file):
    """A program that goes on writing cannot slip other bytes in."""
    publication = Publication(folder_stores, Write(file.path))

    with pytest.raises(ContentError, match="written to"):
        publication.prepare(file)
    publication.abort()

    assert keys(folder_stores) == []


def test_an_output_that_is_written_to_before_commit_is_refused(publication, stores, file):
    """Between transfer and publication the file must stand still."""
    publication.prepare(file)
    Write(file.path).advance(0)

    with pytest.raises(ContentError, match="written to"):
        publication.commit()

    assert keys(stores) == []


KILL_AT = """
    import os, signal, sys, pathlib
    from rootcellar.staging import Output, Stores
    from rootcellar.staging.publication.publication import Publication
    from rootcellar.staging.stores.folder import FolderStore

    step, root, version = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    real = getattr(FolderStore, step)
    calls = []

    def dying(*args, **kwargs):
        calls.append(step)
        if len(calls) == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(FolderStore, step, dying)
    publication = Publication(Stores.from_mapping({"raw": str(root / "store")}))
    publication.prepare(
        Output(uri="raw://out/folder", path=root / "out", kind="folder", root=version)
    )
    publication.commit()
"""


@pytest.mark.parametrize(
    ("step", "call"),
    [("write_small", 1), ("write_small", 2), ("publish_temp", 2), ("write_small", 3)],
)
def test_a_folder_is_not_there_wherever_its_process_dies(
    folder_stores, folder, tmp_path, step, call
):
    """Killed at any step before the manifest, a publication shows no folder."""
    from rootcellar.staging.folders.folder_input import pin_of_folder

    arguments = [step, str(tmp_path), f"v-{uuid.uuid4()}", str(call)]
    script = textwrap.dedent(KILL_AT)

    died = subprocess.run([sys.executable, "-c", script, *arguments], check=False)

    assert died.returncode == -signal.SIGKILL
    assert pin_of_folder(folder_stores.store_for(folder.uri)) is None
