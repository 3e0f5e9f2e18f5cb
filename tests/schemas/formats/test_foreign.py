import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from rootcellar.schemas.formats.foreign import is_foreign_instance, is_foreign_type


@pytest.mark.parametrize(
    ("class_", "name"),
    [
        (pd.DataFrame, "pandas.DataFrame"),
        (pl.DataFrame, "polars.DataFrame"),
        (pa.Table, "pyarrow.Table"),
        (pa.RecordBatchReader, "pyarrow.RecordBatchReader"),
        (ds.Dataset, "pyarrow.Dataset"),
    ],
)
def test_installed_libraries_are_known(class_, name):
    """The names by which types are known are those of the installed releases."""
    assert is_foreign_type(class_, name)


def test_subclass_is_an_instance_but_no_target():
    """A subclass may be saved as its ancestor, but never asked for as one."""

    class Frame(pd.DataFrame):
        pass

    assert is_foreign_instance(Frame(), "pandas.DataFrame")
    assert not is_foreign_type(Frame, "pandas.DataFrame")
    assert not is_foreign_type(Frame(), "pandas.DataFrame")
