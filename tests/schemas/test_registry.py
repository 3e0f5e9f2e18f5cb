"""Registry: each name leads to one type, each URI to one artifact."""

import keyword
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.errors import DeclarationError, NotInCatalog
from rootcellar.schemas.formats import File, Folder, Text
from rootcellar.schemas.registry import Registry


class Weather(Artifact, uri="raw://weather/{station:02d}.dat", format=Text()):
    """Hourly weather."""

    station: int


class PvYield(Artifact, uri="out://pv/{tilt}", format=Folder(), name="generation"):
    tilt: int = Field(ge=0)


class Low(Artifact, uri="out://low/{n}", format=Text()):
    n: int = Field(lt=10)


def registry(*types, name="grid"):
    made = Registry(name)
    for one in types:
        made.register(one)
    return made


def test_a_class_serves_its_own_name():
    """Unless it is given names of its own; the type's name is another matter."""
    types = registry(Weather, PvYield)

    assert Weather is types.for_argument("weather")
    assert PvYield is types.for_argument("pv_yield")
    assert (True, False) == (types.serves("pv_yield"), types.serves("generation"))


def test_a_class_serves_the_names_it_is_given():
    """Once for all, in whatever order; the decorator returns the class."""
    types = Registry("grid")

    decorated = types.register(arguments=(name for name in ("pv", "generation")))(PvYield)
    types.register(arguments="wx")(Weather)

    assert PvYield is decorated
    assert ("generation", "pv") == types.arguments_of("generation")
    assert ("wx",) == types.arguments_of("weather")
    assert not types.serves("pv_yield")
    with pytest.raises(KeyError):
        types.for_argument("pv_yield")


def test_a_type_is_found_by_all_its_names():
    """By its own and by those of its arguments."""
    types = registry(Weather, PvYield)

    assert PvYield is types.named("generation") is types.named("pv_yield")
    with pytest.raises(NotInCatalog, match=r"declares no type of that name. It has generation, we"):
        types.named("wind")
    with pytest.raises(NotInCatalog, match="It has none"):
        Registry("empty").named("wind")


def test_a_registry_is_a_collection_of_types():
    """In the order of registration; a name is in it or not."""
    types = registry(Weather, PvYield)

    assert [Weather, PvYield] == list(types)
    assert 2 == len(types)
    assert "generation" in types
    assert "pv_yield" not in types
    assert "<Registry 'grid': weather, generation>" == repr(types)
    assert "<Registry 'none': empty>" == repr(Registry("none"))


@pytest.mark.parametrize(
    ("uri", "artifact"),
    [
        ("raw://weather/03.dat", Weather(station=3)),
        ("out://pv/30", PvYield(tilt=30)),
        ("out://pv/-1", None),
        ("out://low/99", None),
        ("raw://weather/3.dat", None),
        ("", None),
    ],
)
def test_an_artifact_is_found_by_its_uri(uri, artifact):
    """Of whichever type; None for what no artifact renders, constraints of keys included."""
    assert artifact == registry(Weather, PvYield, Low).at(uri)


def twin(**keywords):
    class Twin(Artifact, **{"uri": "raw://twin/{n}", "format": File(), **keywords}):
        n: int

    return Twin


@pytest.mark.parametrize(
    ("kind", "arguments", "problem"),
    [
        (3, (), "3 is no artifact type"),
        (int, (), "int is no artifact type"),
        (Artifact, (), "declares no artifact type"),
        (Weather, ["other"], "this name is registered already"),
        (twin(name="pv"), (), "this name, as an argument's, is registered already"),
        (twin(), ["weather"], "'weather' already stands for weather"),
        (twin(), ["generation"], "'generation' already stands for generation"),
        (twin(), ["two words"], "cannot name an argument"),
        (twin(), ["class"], "cannot name an argument"),
        (twin(), [3], "3 cannot name an argument"),
        (twin(uri="raw://weather/{n:02d}.dat"), (), "twin and weather could both live at"),
        (twin(uri="out://pv/1/{n}"), (), "could both live at"),
    ],
)
def test_no_name_and_no_uri_leads_to_two_types(kind, arguments, problem):
    """A wrong registration is refused and leaves the registry as it was."""
    types = registry(Weather)
    types.register(arguments=["pv"])(PvYield)
    before = types.fingerprint(), list(types)

    with pytest.raises(DeclarationError, match=problem) as caught:
        types.register(arguments=arguments)(kind)

    assert caught.value.remedy
    assert before == (types.fingerprint(), list(types))
    assert not types.serves("other")


def test_a_name_may_be_the_arguments_of_the_same_type():
    """As is the rule."""
    types = Registry("grid")

    types.register(arguments=["generation", "pv"])(PvYield)

    assert PvYield is types.named("generation")


@given(st.text())
def test_argument_names_are_identifiers(name):
    """Anything else could never be a parameter."""
    types = Registry("grid")
    if name.isidentifier() and not keyword.iskeyword(name):
        types.register(arguments=[name])(Weather)
        assert types.serves(name)
    else:
        with pytest.raises(DeclarationError):
            types.register(arguments=[name])(Weather)


def test_a_type_can_be_in_two_registries():
    """Under other names in each, without a trace of one in the other."""
    one, other = registry(Weather), Registry("other")
    other.register(arguments=["wx"])(Weather)

    assert Weather is one.named("weather") is other.named("wx")
    assert not one.serves("wx")
    assert ("grid", "other") == (one.records()[0].registry, other.records()[0].registry)


def test_what_the_catalog_mirrors():
    """One record per type, complete in itself."""
    (record,) = registry(PvYield).records()

    assert ("generation", "grid", ("pv_yield",)) == (record.name, record.registry, record.arguments)
    assert ("out://pv/{tilt}", "folder") == (record.uri_template, record.kind)
    assert PvYield.declaration.format.media_type == record.media_type
    assert PvYield.definition() == record.definition


def test_a_fingerprint_tells_registries_apart():
    """By name, types and argument names; not by the order of registration."""
    served = Registry("grid")
    served.register(arguments=["wx"])(Weather)
    others = [registry(), registry(Weather), served, registry(Weather, name="b")]

    assert registry(Weather, PvYield).fingerprint() == registry(PvYield, Weather).fingerprint()
    assert 4 == len({other.fingerprint() for other in others})


def test_a_fingerprint_is_made_once():
    """Every message asks for it; only a registration makes it anew."""
    types = registry(Weather)
    first = types.fingerprint()

    with mock.patch.object(Weather, "definition", side_effect=AssertionError):
        assert first == types.fingerprint()
    types.register(Low)

    assert first != types.fingerprint()
