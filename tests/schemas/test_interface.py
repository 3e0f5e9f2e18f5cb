"""TaskInterface: which parameters are staged, and what the body wants for each."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Dict, List, Optional, Union  # noqa: UP035

import pytest

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.formats import Folder, Json, Text
from rootcellar.schemas.handle import NOT_STAGED, OUTPUT, OUTPUTS, STREAMED, Outputs, Staged
from rootcellar.schemas.interface import Delivery, InputSpec, OutputSpec, Shape, TaskInterface
from rootcellar.schemas.registry import Registry

if TYPE_CHECKING:
    from decimal import Decimal


class PerStation(Artifact):
    station: int


class Weather(PerStation, uri="raw://weather/{station:02d}.dat", format=Text()):
    pass


class Town(Artifact, uri="raw://town/{name}/{size}.json", format=Json()):
    name: str
    size: int


class Tiles(Artifact, uri="out://tiles/{station:02d}", format=Folder()):
    station: int


class Note(Artifact, uri="out://note/{name}.txt", format=Text()):
    name: str


class Names(Artifact, uri="out://names.json", format=Json(list[str])):
    pass


REGISTRY = Registry("grid")
for kind in (Weather, Town, Tiles, Note, Names):
    REGISTRY.register(kind)


def interface(body, **options):
    return TaskInterface.of(body, REGISTRY, **options)


def only_input(annotation, argument="weather"):
    """Return the one input of a body whose parameter has this annotation."""
    names = {"annotation": annotation}
    exec(f"def body({argument}: annotation): ...", names)
    return interface(names["body"]).inputs[0]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Path, Delivery.PATH),
        (os.PathLike, Delivery.PATH),
        (os.PathLike[str], Delivery.PATH),
        (type(Path()), Delivery.PATH),
        (Any, Delivery.PATH),
        (object, Delivery.PATH),
        (Annotated[Path, "note"], Delivery.PATH),
        (Staged, Delivery.HANDLE),
        (Staged[Weather], Delivery.HANDLE),
        (Weather, Delivery.ARTIFACT),
        (PerStation, Delivery.ARTIFACT),
        (Artifact, Delivery.ARTIFACT),
        (int, Delivery.KEY),
    ],
)
def test_one_artifact(annotation, expected):
    """Each form of the design's table, alone and optional, listed and keyed."""

    def spec(shape, *, optional=False):
        return InputSpec("weather", Weather, expected, shape, optional)

    assert spec(Shape.ONE) == only_input(annotation)
    assert spec(Shape.LIST) == only_input(list[annotation])
    assert spec(Shape.LIST) == only_input(Sequence[annotation])
    assert spec(Shape.LIST) == only_input(tuple[annotation, ...])
    assert spec(Shape.LIST) == only_input(List[annotation])  # noqa: UP006
    assert spec(Shape.DICT) == only_input(dict[Weather, annotation])
    assert spec(Shape.DICT) == only_input(Mapping[PerStation, annotation])
    if annotation not in {Any, object}:
        assert spec(Shape.ONE, optional=True) == only_input(Optional[annotation])  # noqa: UP045
        assert spec(Shape.ONE, optional=True) == only_input(Annotated[Union[annotation, None], 1])  # noqa: UP007
        assert spec(Shape.LIST, optional=True) == only_input(list[Optional[annotation]])  # noqa: UP045
        assert spec(Shape.LIST, optional=True) == only_input(list[annotation] | None)


def test_without_annotation():
    """The path."""

    def body(weather): ...

    assert (InputSpec("weather", Weather, Delivery.PATH),) == interface(body).inputs


@pytest.mark.parametrize(
    ("argument", "annotation", "delivery", "shape"),
    [
        ("town", dict, Delivery.LOADED, Shape.ONE),
        ("town", dict[str, int], Delivery.LOADED, Shape.ONE),
        ("town", list[Path], Delivery.PATH, Shape.LIST),
        ("town", list[Path | None], Delivery.PATH, Shape.LIST),
        ("town", list[Staged[Town]], Delivery.HANDLE, Shape.LIST),
        ("town", dict[Town, Path], Delivery.PATH, Shape.DICT),
        ("note", str, Delivery.LOADED, Shape.ONE),
        ("note", list[str], Delivery.LOADED, Shape.LIST),
        ("town", list[dict], Delivery.LOADED, Shape.LIST),
        ("names", list[str], Delivery.LOADED, Shape.ONE),
        ("note", dict[Note, str], Delivery.LOADED, Shape.DICT),
        ("note", tuple[str, ...], Delivery.LOADED, Shape.LIST),
        ("tiles", int, Delivery.KEY, Shape.ONE),
    ],
)
def test_what_comes_first(argument, annotation, delivery, shape):
    """A list of what one can be is a fan-in, but for a declared list; then format, then key."""
    spec = only_input(annotation, argument)

    assert (delivery, shape) == (spec.delivery, spec.shape)


@pytest.mark.parametrize(
    "annotation",
    [
        bytes,
        PurePath,
        Town,
        dict[Town, Path],
        dict[str, Path],
        Dict,  # noqa: UP006
        tuple[Path, int],
        tuple[Path, Path],
        list[list[Path]],
        Path | str,
        Path | str | None,
        set[Path],
        [Path],
        3,
        float,
    ],
)
def test_what_cannot_be_delivered_is_refused(annotation):
    """At the declaration, with task, parameter, type, format and remedy."""
    with pytest.raises(DeclarationError, match="weather, a Text, cannot be delivered as") as caught:
        only_input(annotation)

    assert ("body(weather)", "raw://weather/{station:02d}.dat") == (
        caught.value.artifact,
        caught.value.uri,
    )
    assert caught.value.remedy.startswith("Annotate it as Path, Staged")


def test_unstaged_parameters_are_left_alone():
    """Names that nothing serves, `*args` and `**kwargs`, and what is marked."""

    def body(
        tilt: int,
        town: Annotated[int, NOT_STAGED],
        tiles: Annotated[str, "a", NOT_STAGED] | None,
        *weather: Path,
        **note: Path,
    ): ...

    found = interface(body)

    assert ("tilt", "town", "tiles", "weather", "note") == found.plain
    assert not found.is_staged


def test_only_staged_annotations_must_resolve():
    """A name under TYPE_CHECKING is no matter where nothing is staged."""

    def body(
        price: Decimal, weather: Path, town: Staged[Town], *, note: Path = OUTPUT
    ) -> Decimal: ...

    found = interface(body)

    assert [Delivery.PATH, Delivery.HANDLE] == [spec.delivery for spec in found.inputs]
    assert (OutputSpec("note", Note, Delivery.PATH),) == found.outputs


@pytest.mark.parametrize("annotation", ["Decimal", "Path[", "Path.nothing", "Path[int]"])
def test_a_staged_annotation_must_resolve(annotation):
    """The error names task, parameter and annotation, and says where to import."""

    def body(weather): ...

    body.__annotations__["weather"] = annotation

    with pytest.raises(DeclarationError, match="cannot be resolved") as caught:
        interface(body, name="simulate")

    assert "simulate(weather)" == caught.value.artifact
    assert annotation in caught.value.problem
    assert "not under TYPE_CHECKING" in caught.value.remedy


def test_decorated_bodies_and_methods():
    """The signature is that of the function inside; `self` is dropped or skipped."""

    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Owner:
        @decorated
        def body(self, weather: Weather, /, *, note: Staged[Note] = OUTPUT): ...

    expected = (InputSpec("weather", Weather, Delivery.ARTIFACT),)
    assert expected == interface(Owner().body).inputs
    assert expected == interface(Owner.body, skip_first=True).inputs
    assert ("weather", "note") == tuple(interface(Owner.body, skip_first=True).signature.parameters)
    assert (OutputSpec("note", Note, Delivery.HANDLE),) == interface(Owner().body).outputs


def test_a_callable_without_a_function():
    """A partial has a signature, and annotations that are types already."""
    staged = functools.partial(lambda tilt, weather: (tilt, weather), 3)

    assert (InputSpec("weather", Weather, Delivery.PATH),) == interface(staged).inputs
    assert "partial" in interface(staged).name


def test_outputs():
    """Path, handle, or any number; a name that tells what comes back does not matter."""

    def body(
        *,
        note: Path = OUTPUT,
        town: Staged[Town] = OUTPUT,
        tiles: Outputs[Tiles] = OUTPUTS,
        weather=OUTPUTS,
    ) -> dict[str, int]: ...

    assert (
        OutputSpec("note", Note, Delivery.PATH),
        OutputSpec("town", Town, Delivery.HANDLE),
        OutputSpec("tiles", Tiles, Delivery.HANDLE, many=True),
        OutputSpec("weather", Weather, Delivery.HANDLE, many=True),
    ) == interface(body).outputs


def by_position(note: Path = OUTPUT): ...
def of_no_type(*, wind: Path = OUTPUT): ...
def as_text(*, note: str = OUTPUT): ...
def one_as_many(*, note: Outputs[Note] = OUTPUT): ...
def many_as_one(*, note: Path = OUTPUTS): ...
def as_a_list(*, note: [Path] = OUTPUTS): ...


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (by_position, r"'note' could be passed by position. Put a \*"),
        (of_no_type, "'wind' is of no known type. Register a type"),
        (as_text, "cannot be delivered as <class 'str'>. Annotate 'note' as Path or"),
        (one_as_many, "cannot be delivered as .*Path or Staged"),
        (many_as_one, "cannot be delivered as .*Annotate 'note' as Outputs"),
        (as_a_list, "cannot be delivered as .*Annotate 'note' as Outputs"),
    ],
)
def test_a_wrong_output_is_refused(body, problem):
    """With the task's name and a remedy."""
    with pytest.raises(DeclarationError, match=problem) as caught:
        interface(body)

    assert caught.value.artifact.startswith(body.__name__)


@pytest.mark.parametrize(
    ("annotation", "shape", "optional"),
    [
        (Annotated[Staged[Weather], STREAMED], Shape.ONE, False),
        (Annotated[Staged, STREAMED], Shape.ONE, False),
        (Annotated[Staged[Weather] | None, STREAMED], Shape.ONE, True),
        (Annotated[Staged[Weather], STREAMED] | None, Shape.ONE, True),
        (Annotated[list[Staged[Weather]], STREAMED], Shape.LIST, False),
        (list[Annotated[Staged[Weather], STREAMED]], Shape.LIST, False),
        (Annotated[dict[Weather, Staged[Weather]], STREAMED], Shape.DICT, False),
    ],
)
def test_an_input_is_streamed_where_the_mark_stands(annotation, shape, optional):
    """Around the handle, around the fan-in, or around its members."""

    def body(weather): ...

    body.__annotations__["weather"] = annotation

    expected = InputSpec("weather", Weather, Delivery.HANDLE, shape, optional, streamed=True)
    assert (expected,) == interface(body).inputs


def streamed_path(weather: Annotated[Path, STREAMED]): ...
def streamed_text(weather: Annotated[str, STREAMED]): ...
def streamed_output(*, note: Annotated[Staged, STREAMED] = OUTPUT): ...


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            streamed_path,
            r"'weather' is marked STREAMED, .* Annotated\[Staged\[Weather\], STREAMED\]",
        ),
        (streamed_text, "'weather' is marked STREAMED, and only a handle can stream"),
        (streamed_output, "'note' is marked STREAMED, and only inputs stream. Drop"),
    ],
)
def test_only_the_handle_of_an_input_streams(body, problem):
    """A path would need the bytes, and an output has none yet."""
    with pytest.raises(DeclarationError, match=problem):
        interface(body)
