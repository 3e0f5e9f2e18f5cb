import pickle
import subprocess
import sys

import pytest

from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats import BUILT_IN, Format, Parquet, located, require_format


@pytest.mark.parametrize("class_", BUILT_IN.values(), ids=BUILT_IN)
def test_every_built_in_format_fulfils_the_contract(class_):
    """All built-in formats are formats, without any option."""
    assert isinstance(require_format(class_()), Format)


@pytest.mark.parametrize("class_", BUILT_IN.values(), ids=BUILT_IN)
def test_formats_are_values(class_):
    """Two formats declared alike are one: equal, with equal hash and definition."""
    first, second = class_(), class_()

    assert first == second
    assert hash(first) == hash(second)
    assert first.definition() == second.definition()


def test_a_class_is_no_format():
    """Forgotten parentheses are named where the type is declared."""
    with pytest.raises(DeclarationError, match=r"Weather: .* class Parquet.*Write Parquet\(\)"):
        require_format(Parquet, "Weather")


def test_something_else_is_no_format():
    """What lacks the methods is refused where the type is declared."""
    with pytest.raises(DeclarationError, match="str, which is no format"):
        require_format("csv")


def test_located_error_names_artifact_uri_and_remedy():
    """The caller adds artifact and URI, and the error survives pickling."""
    error = located(
        ContentError("it is empty", "", "", "Write it"), artifact="Weather(3)", uri="raw://3.dat"
    )

    assert str(error) == "Weather(3) at raw://3.dat: it is empty. Write it."
    assert pickle.loads(pickle.dumps(error)).args == error.args


def test_declaring_imports_no_table_library():
    """Declaring formats, and asking what they load, costs no import of pyarrow or pandas."""
    program = """
import sys
from rootcellar.schemas.formats import *
class Frame: pass
Frame.__module__, Frame.__qualname__ = "pandas.core.frame", "DataFrame"
tables = [Parquet(), Csv(), ArrowIpc(), Parquet(schema=lambda: None)]
assert all(f.can_load(Frame) and f.can_save(Frame()) and isinstance(f, Format) for f in tables)
assert not any(f.can_load(Frame) for f in [File(), Text(), Json(), Folder()])
loaded = {"pyarrow", "pandas", "polars", "numpy"} & set(sys.modules)
assert not loaded, loaded
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
