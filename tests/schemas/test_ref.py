"""Ref and Pin: small JSON that names exact bytes."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils import json as kombu_json
from pydantic import ValidationError

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import BindingError
from rootcellar.schemas.ref import TYPE_TAG, Pin, Ref

DIGEST = Digest.of(b"x")
WHOLE = {
    TYPE_TAG: "weather",
    "key": {"station": 3},
    "uri": "raw://weather/03.dat",
    "version": "0198f2a0-0000-7000-8000-000000000001",
    "kind": "file",
    "digest": str(DIGEST),
    "size_bytes": 3,
    "pin": {"size_bytes": 3, "etag": "e", "version_id": ""},
}
JSON_VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
TOKENS = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
REFS = st.builds(
    Ref,
    type=st.text(min_size=1),
    key=st.dictionaries(st.text(), JSON_VALUES),
    uri=st.text(),
    version=st.text(),
    kind=st.sampled_from(["file", "folder"]),
    digest=st.binary().map(Digest.of),
    size_bytes=st.integers(0),
    pin=st.builds(Pin, size_bytes=st.integers(0), etag=TOKENS, version_id=TOKENS),
)


@given(REFS)
def test_a_ref_survives_a_message(ref):
    """Through kombu's serializer and back it is the same, and known as a ref on the way."""
    arrived = kombu_json.loads(kombu_json.dumps({"weather": ref}))["weather"]

    assert Ref.is_ref(arrived)
    assert ref == Ref.from_json(arrived)
    assert hash(ref) == hash(Ref.from_json(arrived))


def test_its_form_in_a_message():
    """The form is fixed: messages outlive the process that wrote them."""
    assert WHOLE == Ref.from_json(WHOLE).__json__()


def test_reading_does_not_change_the_message():
    """The mapping is left as it was, to be passed on."""
    message = dict(WHOLE)

    Ref.from_json(message)

    assert WHOLE == message


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"uri": None}, "uri"),
        ({"digest": "sha256:"}, "digest"),
        ({"size_bytes": "3"}, "size_bytes"),
        ({"size_bytes": True}, "size_bytes"),
        ({"size_bytes": -1}, "size_bytes"),
        ({"pin": {"size_bytes": -1}}, "pin.size_bytes"),
        ({"pin": {"size_bytes": 1, "secret": "x"}}, "pin.secret"),
        ({"pin": {"size_bytes": 1, "etag": "e\r\nx: y"}}, "pin.etag"),
        ({"pin": {"size_bytes": 1, "version_id": "v\n"}}, "pin.version_id"),
        ({"kind": "link"}, "kind"),
        ({"extra": 1}, "extra"),
        ({"type": "other"}, "twice"),
        ({TYPE_TAG: 3}, "type"),
        ({1: 2}, "1"),
    ],
)
def test_a_damaged_ref_is_refused(change, place):
    """The error names type, URI and the place, and says what to do."""
    with pytest.raises(BindingError, match="damaged") as caught:
        Ref.from_json({**WHOLE, **change})

    assert place in caught.value.problem
    assert "Pass refs on unchanged" == caught.value.remedy
    assert str({**WHOLE, **change}[TYPE_TAG]) == caught.value.artifact


@pytest.mark.parametrize("name", [name for name in WHOLE if name != TYPE_TAG])
def test_an_incomplete_ref_is_refused(name):
    """Every part is needed."""
    with pytest.raises(BindingError, match=f"damaged: {name}"):
        Ref.from_json({key: value for key, value in WHOLE.items() if key != name})


@pytest.mark.parametrize("value", [None, 3, [], "ref", {}, {"version": "v"}, {TYPE_TAG: "weather"}])
def test_other_values_are_no_refs(value):
    """Only a mapping with type and version is one."""
    assert not Ref.is_ref(value)


@pytest.mark.parametrize(
    ("pin", "token"),
    [
        (Pin(size_bytes=3, etag="e", version_id="v"), "version:v"),
        (Pin(size_bytes=3, etag="e"), "etag:e"),
        (Pin(size_bytes=3), "size:3"),
    ],
)
def test_a_pin_names_its_strongest_evidence(pin, token):
    """Version id before etag before size, each with its kind."""
    assert token == pin.token


def test_a_ref_reads_well():
    """As type, key and version."""
    assert f"weather(station=3) version {WHOLE['version']}" == str(Ref.from_json(WHOLE))


def test_a_ref_is_a_value():
    """Frozen, usable in sets, and itself after pickling."""
    ref = Ref.from_json(WHOLE)

    assert {ref} == {Ref.from_json(WHOLE)}
    assert ref == pickle.loads(pickle.dumps(ref))
    with pytest.raises(ValidationError):
        ref.uri = "raw://other"
