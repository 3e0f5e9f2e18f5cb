import pyarrow as pa
import pytest

from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats import Column, Parquet
from rootcellar.schemas.formats.arrow_schema import (
    check_columns,
    columns_of,
    fingerprint,
    resolved,
    type_name,
)

DECLARED = pa.schema(
    [("station", pa.int64()), ("time", pa.timestamp("us", "UTC")), ("w", pa.float64())]
)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([("station", pa.int64()), ("w", pa.float64())], "'time' is missing"),
        ([*DECLARED, pa.field("x", pa.int8())], "'x' is not declared"),
        (
            [DECLARED.field(0), ("time", pa.timestamp("ns")), DECLARED.field(2)],
            r"'time' is timestamp\[ns\], expected timestamp\[us, tz=UTC\]",
        ),
        (
            [DECLARED.field(1), DECLARED.field(0), DECLARED.field(2)],
            "the order is 'time', 'station', 'w', expected 'station', 'time', 'w'",
        ),
        ([*DECLARED, DECLARED.field(0)], "'station' appears twice"),
        (
            [("w", pa.string()), ("v", pa.int8())],
            "'station' is missing; .*'v' is not.*'w' is string",
        ),
    ],
)
def test_differences_are_named(found, problem):
    """Every column that differs is named, with what was expected and what was found."""
    with pytest.raises(ContentError, match=problem):
        check_columns(pa.schema(found), DECLARED)


@pytest.mark.parametrize(
    ("stored", "plain"),
    [
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.run_end_encoded(pa.int32(), pa.int64()), pa.int64()),
        (pa.large_binary(), pa.binary()),
        (pa.large_list(pa.field("element", pa.large_string())), pa.list_(pa.string())),
        (pa.list_view(pa.int8()), pa.list_(pa.int8())),
        (pa.struct([("a", pa.large_string())]), pa.struct([("a", pa.string())])),
        (pa.map_(pa.large_string(), pa.int8()), pa.map_(pa.string(), pa.int8())),
    ],
)
def test_storage_does_not_make_another_type(stored, plain):
    """What polars and pandas store their own way is still the declared type."""
    check_columns(pa.schema([("a", stored)]), pa.schema([("a", plain)]))

    assert fingerprint(pa.schema([("a", stored)])) == fingerprint(pa.schema([("a", plain)]))


@pytest.mark.parametrize(
    "other",
    [
        [pa.field("a", pa.int32())],
        [pa.field("b", pa.int64())],
        [pa.field("a", pa.int64(), nullable=False)],
        [pa.field("a", pa.int64()), pa.field("b", pa.int64())],
        [pa.field("a", pa.list_(pa.int64(), 2))],
    ],
)
def test_fingerprint_tells_schemas_apart(other):
    """Name, type, nullability and number of columns all count."""
    assert fingerprint(pa.schema([("a", pa.int64())])) != fingerprint(pa.schema(other))


def test_fingerprint_leaves_metadata_out():
    """What pandas writes beside the columns does not make another schema."""
    schema = pa.schema([pa.field("a", pa.int64(), metadata={"k": "v"})], metadata={"pandas": "{}"})

    assert fingerprint(schema) == fingerprint(pa.schema([("a", pa.int64())]))


def test_fingerprint_is_pinned():
    """The text behind the digest never changes, or old catalogs would see changed schemas."""
    expected = "sha256:a1f6890eb557542c68042c46ad54ef537b629061ea25676dc9eb3a4d70205a57"

    assert fingerprint(DECLARED) == expected


def test_names_cannot_imitate_structure():
    """A field with punctuation in its name is not two fields."""
    one = pa.struct([('a": int8, "b', pa.int8())])
    two = pa.struct([("a", pa.int8()), ("b", pa.int8())])

    assert type_name(one) != type_name(two)


def test_columns():
    """Columns carry name, type and nullability."""
    schema = pa.schema(
        [pa.field("a", pa.list_(pa.field("x", pa.int8(), nullable=False)), nullable=False)]
    )

    assert columns_of(schema) == (Column("a", "list<int8 not null>", nullable=False),)


def test_schema_may_come_from_a_function():
    """A function is asked for the schema when it is needed, not when it is declared."""
    calls = []

    def schema():
        calls.append(1)
        return DECLARED

    declared = Parquet(schema)
    assert calls == []
    assert declared.definition() == Parquet(DECLARED).definition()


@pytest.mark.parametrize("source", [["a"], {"a": "int"}, pa.Schema])
def test_what_can_be_no_schema_is_refused_at_once(source):
    """A list of names, or a class, is no schema."""
    with pytest.raises(DeclarationError, match=r"not pyarrow.Schema\. Give pa.schema"):
        Parquet(source)


def test_function_that_gives_no_schema():
    """What a function gives is checked when it is asked."""
    with pytest.raises(DeclarationError, match=r"list, not pyarrow\.Schema"):
        resolved(list)
    with pytest.raises(DeclarationError, match="'a' twice"):
        resolved(lambda: pa.schema([("a", pa.int8()), ("a", pa.int8())]))
