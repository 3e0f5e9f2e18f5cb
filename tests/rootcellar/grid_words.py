"""Artifact types and bodies for the tests of the front desk."""

from pathlib import Path

from rootcellar import OUTPUT, OUTPUTS, Artifact, Folder, Json, Outputs, Registry, Staged, Text

registry = Registry("words")


@registry.register(arguments=["text", "texts"])
class Words(Artifact, uri="raw://words/{page:02d}.txt", format=Text()):
    page: int


@registry.register(arguments=["count", "counts"])
class Count(Artifact, uri="derived://count/{page:02d}.json", format=Json()):
    page: int


@registry.register(arguments=["pages"])
class Page(Artifact, uri="derived://page/{page:02d}/{name}.txt", format=Text()):
    page: int
    name: str


@registry.register
class Bundle(Artifact, uri="derived://bundle/{page:02d}", format=Folder("*.txt")):
    page: int


def count_words(text: Path, *, count: Path = OUTPUT) -> dict:
    """Return what becomes the output."""
    return {"words": len(text.read_text().split())}


def split(text: str, *, pages: Outputs[Page] = OUTPUTS) -> None:
    for word in text.split():
        pages.new(name=word).path.write_text(word)


def measure(text: Staged[Words]) -> int:
    return len(text.load())
