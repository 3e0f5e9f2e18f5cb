"""Texts for rows and logs."""

from pathlib import Path

from rootcellar.schemas.digest import Digest
from rootcellar.scrub import error_text, scrubbed
from rootcellar.settings import Settings, StoreSettings


def failing():
    try:
        Digest("no digest")
    except ValueError as error:
        raise RuntimeError("outer") from error


def error_of(function):
    try:
        function()
    except RuntimeError as error:
        return error
    raise AssertionError


def test_traceback_names_no_folder_of_this_host():
    """Files are named from their topmost package on, in every error of the chain."""
    text = error_text(error_of(failing))

    assert 'File "rootcellar/schemas/digest.py"' in text
    assert f'File "{Path(__file__).name}"' in text
    assert 'File "/' not in text


def test_traceback_keeps_chain_and_source_lines():
    """What led to the error, and the lines it came through, stay readable."""
    text = error_text(error_of(failing))

    assert "ValueError: not a digest" in text
    assert "The above exception was the direct cause" in text
    assert 'raise RuntimeError("outer") from error' in text


def test_own_folders_are_left_out(tmp_path):
    """Cache, home and folder stores are named by what they are."""
    settings = Settings(
        home=tmp_path / "home",
        cache_dir=tmp_path / "cache",
        stores={"raw": StoreSettings(url=f"file://{tmp_path}/data")},
    )
    text = f"{tmp_path}/cache/v1/x {tmp_path}/home/y {tmp_path}/data/z"

    assert "<cache>/v1/x <home>/y <store>/z" == scrubbed(text, settings)


def test_inner_folders_go_first(tmp_path):
    """A cache below home is the cache."""
    settings = Settings.read(home=tmp_path / "home", stores={"raw": str(tmp_path / "raw")})
    text = f"{tmp_path}/home/cache/v1 {tmp_path}/raw/a.txt"

    assert "<cache>/v1 <store>/a.txt" == scrubbed(text, settings)


def test_long_traceback_keeps_its_end():
    """The error itself stands at the end, and the text is bounded."""
    text = error_text(ValueError("x" * 50_000 + "the end"))

    assert text.rstrip().endswith("the end")
    assert len(text) <= 20_000
