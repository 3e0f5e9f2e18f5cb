"""Declaration: a wrong class statement fails where it stands, and says how to write it."""

import uuid
from datetime import date
from typing import Annotated, ClassVar

import pytest
from pydantic import ConfigDict, Field, PrivateAttr

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.declaration import snake_case
from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.formats import Text


def declare(annotations=None, *, above=Artifact, body=None, **keywords):
    """Make a class `Kind` as a class statement would."""
    keywords = {"uri": "raw://kind/{n}", "format": Text(), **keywords}
    annotations = {"n": int} if annotations is None else annotations
    return type(Artifact)(
        "Kind", (above,), {"__annotations__": annotations, "__module__": __name__, **(body or {})},
        **{name: value for name, value in keywords.items() if value is not None},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"uri": None}, "needs both"),
        ({"format": None}, "needs both"),
        ({"uri": None, "format": None, "name": "kind"}, "needs both"),
        ({"format": Text}, r"is the class Text. Write Text\(\)"),
        ({"format": "text"}, "which is no format"),
        ({"name": "My Kind"}, "'My Kind' cannot name a type. Pass name="),
        ({"name": "3d"}, "cannot name a type"),
        ({"uri": "kind/{n}"}, "Kind at kind/"),
        ({"uri": "raw://kind/{m}"}, "is not a field"),
        ({"uri": "raw://kind"}, "is not in the template"),
        ({"annotations": {"n": list[int]}}, "which no URI can hold"),
        ({"annotations": {"n": "Unknown"}}, "'n' cannot be resolved"),
        ({"annotations": {"m": int, "n": "Unknown"}}, "'n' cannot be resolved"),
        ({"annotations": {"version": int}, "uri": "raw://{version}"}, "'version' is reserved"),
        ({"annotations": {"uri": int}, "uri": "raw://{uri}"}, "'uri' is reserved"),
        ({"annotations": {"key": "int"}, "uri": "raw://{key}"}, "'key' is reserved"),
        ({"body": {"n": Field(alias="m")}}, "has an alias"),
        ({"body": {"n": Field(serialization_alias="m")}}, "has an alias"),
        ({"body": {"n": Field(default_factory=int)}}, "made anew"),
        ({"body": {"n": "3"}}, "default of key field 'n' is none of its values"),
        ({"body": {"n": True}}, "default of key field 'n'"),
        ({"annotations": {"n": str}, "body": {"n": ".."}}, "default of key field 'n'"),
        ({"annotations": {"n": Annotated[int, Field(ge=0)]}, "body": {"n": -1}}, "default of"),
        ({"body": {"model_config": ConfigDict(frozen=False)}}, "changes pydantic's configuration"),
        ({"frozen": False}, "changes pydantic's configuration"),
        ({"body": {"_state": PrivateAttr(3)}}, "'_state' would be state beside the key"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments, problem):
    """At the class statement, with the class's name, the template and a remedy."""
    with pytest.raises(DeclarationError, match=problem) as caught:
        declare(**arguments)

    assert "Kind" == caught.value.artifact
    assert caught.value.remedy


def test_names_of_classes_above_are_reserved():
    """Also those that a class between adds, such as a method."""

    class Between(Artifact):
        def pull(self):
            """Stand for what people call."""

    with pytest.raises(DeclarationError, match="'pull' is reserved"):
        declare({"pull": int}, above=Between, uri="raw://{pull}")


def test_a_subclass_of_a_type_needs_its_own_uri():
    """Without one it would be a second type at the URIs of the first."""
    with pytest.raises(DeclarationError, match="needs both"):
        declare({}, above=declare(), uri=None, format=None)


def test_unknown_keywords_are_refused():
    """As in any class statement."""
    with pytest.raises(TypeError, match="colour"):
        declare(colour="red")


@pytest.mark.parametrize("default", [3, date(2026, 1, 31), uuid.UUID(int=1), "a"])
def test_a_sound_declaration_is_taken(default):
    """With constants as defaults, and class variables beside the key."""
    kind = declare({"n": type(default), "unit": ClassVar[str]}, body={"n": default, "unit": "MW"})

    assert kind() == kind(n=default)
    assert "kind" == kind.type_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Weather", "weather"),
        ("PvYield", "pv_yield"),
        ("HTMLPage", "html_page"),
        ("Try2010", "try2010"),
        ("TryFile2Go", "try_file2_go"),
    ],
)
def test_a_class_name_becomes_a_type_name(name, expected):
    """Words in lower case with underscores between."""
    assert expected == snake_case(name)
