import dataclasses
import datetime as dt
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from rootcellar.schemas.errors import BindingError, ContentError, DeclarationError
from rootcellar.schemas.formats import Json

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
names = st.text(st.characters(codec="utf-8"))
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20
).filter(lambda value: isinstance(value, list | dict))


class Site(pydantic.BaseModel):
    name: str
    heights: dict[int, float] = {}
    built: dt.date | None = None


@dataclasses.dataclass
class Point:
    x: float


class Row(TypedDict):
    x: float


@given(document=documents)
def test_documents_come_back(tmp_path_factory, document):
    """Every JSON document is loaded as it was saved."""
    path = tmp_path_factory.mktemp("json") / "a.json"

    Json().save(document, path)
    Json().validate(path)

    assert Json().default_load(path) == document
    assert Json().load(path, type(document)) == document


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (Site(name="a", heights={10: 1.5}, built=dt.date(2020, 1, 2)), Site),
        (Point(1.5), Point),
        ({"x": 1.5}, Row),
        ({"a": 1.0}, dict[str, float]),
        ({1: 2.0}, dict[int, float]),
        ([Point(1), Point(2)], list[Point]),
        (
            {"a": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
            Mapping[str, dt.datetime],
        ),
    ],
)
def test_annotations_come_back(tmp_path, value, target):
    """What pydantic can check is loaded as its annotation says."""
    path = tmp_path / "a.json"

    assert Json().can_save(value)
    assert Json().can_load(target)
    Json().save(value, path)

    assert Json().load(path, target) == value


@pytest.mark.parametrize(
    "target",
    [int, str, bytes, Path, list[Path], dict[str, Path], Any, None, list[object()], "dict"],
)
def test_keys_paths_and_strangers_are_not_loaded(target):
    """Annotations that ask for a key, for paths or for nothing known are left to others."""
    assert not Json().can_load(target)
    with pytest.raises(BindingError, match="JSON cannot be loaded as"):
        Json().load(Path("a.json"), target)


def test_declared_model_is_the_default_and_the_contract(tmp_path):
    """With a model, every document is held to it, whatever it is loaded as."""
    path = tmp_path / "a.json"
    Json().save({"name": "a", "heights": {"x": 1}}, path)

    for read in (Json(Site).validate, Json(Site).default_load):
        with pytest.raises(ContentError, match=r"model: at heights\.x\.\[key\]: Input should be"):
            read(path)
    with pytest.raises(ContentError, match="does not fit"):
        Json(Site).load(path, dict)
    Json(Site).save({"name": "b"}, path)
    assert Json(Site).default_load(path) == Site(name="b")
    assert Json(Site).load(path, dict[str, Any])["name"] == "b"
    with pytest.raises(ContentError, match="at name: Field required"):
        Json(Site).save({}, path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("wrap", [list, lambda v: {"a": v[0]}, lambda v: Point(v[0])])
def test_not_a_number_is_not_saved(tmp_path, number, wrap):
    """NaN is neither written nor turned into null."""
    with pytest.raises(ContentError, match=r"cannot be written as JSON: .*Give finite numbers"):
        Json().save(wrap([number]), tmp_path / "a.json")


def test_not_a_number_in_a_model_is_not_saved(tmp_path):
    """Nor does a model turn it into null."""
    with pytest.raises(ContentError, match="cannot be written"):
        Json(Site).save(Site(name="a", heights={1: float("nan")}), tmp_path / "a.json")


@pytest.mark.parametrize(
    "content", [b"[NaN]", b'{"x": Infinity}', b"{", b"[1,]", b"\xff", b'["\\ud800"]', b"[" * 5000]
)
@pytest.mark.parametrize("format_", [Json(), Json(dict[str, float]), Json(list[float])])
def test_what_is_not_json_is_refused(tmp_path, content, format_):
    """Validation and loading take RFC 8259 and nothing more."""
    path = tmp_path / "a.json"
    path.write_bytes(content)

    for read in (format_.validate, format_.default_load, format_.preview):
        with pytest.raises(ContentError, match="it is not JSON"):
            read(path)


def test_empty_file_is_refused(tmp_path):
    """A file of no bytes is no document."""
    path = tmp_path / "a.json"
    path.touch()

    with pytest.raises(ContentError, match=r"it is empty\. Write a JSON document"):
        Json().validate(path)


@pytest.mark.parametrize("value", ["text", b"bytes", 3, {1}, Site])
def test_what_is_no_document_is_not_saved(tmp_path, value):
    """Scalars, sets (which have no order) and classes are refused by their type."""
    assert not Json().can_save(value)
    with pytest.raises(ContentError, match="cannot be saved as JSON"):
        Json().save(value, tmp_path / "a.json")


@pytest.mark.parametrize("value", [[object()], ["\ud800"], {(1, 2): 3}])
def test_what_json_cannot_hold_is_not_saved(tmp_path, value):
    """Content without a JSON form is refused with a remedy."""
    with pytest.raises(ContentError, match="cannot be written as JSON"):
        Json().save(value, tmp_path / "a.json")


def test_document_that_holds_itself_is_not_saved(tmp_path):
    """A circle has no JSON form."""
    circle = []
    circle.append(circle)

    with pytest.raises(ContentError, match="cannot be written as JSON"):
        Json().save(circle, tmp_path / "a.json")


def test_declarations(tmp_path):
    """The model is part of the definition, and nonsense is refused at once."""
    path = tmp_path / "a.json"
    Json().save({"name": "a"}, path)

    assert Json(Site).definition()["model"]["required"] == ["name"]
    assert (
        Json(Site).describe(path).schema_fingerprint
        != Json(Point).describe(path).schema_fingerprint
    )
    assert Json().describe(path).schema_fingerprint is None
    with pytest.raises(DeclarationError, match="no type that JSON"):
        Json(object())
    with pytest.raises(DeclarationError, match="no JSON schema"):
        Json(type).definition()


def test_fingerprint_is_the_same_in_every_process(tmp_path):
    """A type's identity does not depend on the process that asks."""
    program = """
        import typing
        from rootcellar.schemas.formats import Json
        print(Json(dict[str, typing.Literal["a", "b"] | None]).definition())
    """
    first, second = (
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    )

    assert first == second


def test_preview_is_indented_and_cut(tmp_path):
    """The preview reads like the document."""
    path = tmp_path / "a.json"
    Json().save({"a": [1, 2]}, path)

    assert repr(Json().preview(path, rows=2)) == '{\n  "a": [\n…'


def test_a_path_is_copied(tmp_path):
    """A returned path is copied."""
    (tmp_path / "a").write_text("{}")
    Json().save(tmp_path / "a", tmp_path / "b")

    assert Json().default_load(tmp_path / "b") == {}
