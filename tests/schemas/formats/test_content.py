from pathlib import Path

import pytest

from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.formats.content import check_media_type, reason, shortened


def test_reason_has_no_host_path():
    """Another library's message names the file, not where this host keeps it."""
    path = Path("/srv/scratch/a.parquet")
    error = OSError(f"Could not open '{path}':\n  bad magic.")

    assert reason(error, path) == "Could not open 'a.parquet': bad magic"


def test_long_reasons_are_cut():
    """A message that quotes a whole line of data does not fill the log."""
    assert len(shortened("x" * 10_000)) < 400


@pytest.mark.parametrize("media_type", ["text/csv", "text/csv; charset=utf-8", "image/svg+xml"])
def test_media_types(media_type):
    """Registered media types, parameters included, are accepted."""
    check_media_type(media_type)


@pytest.mark.parametrize("media_type", ["", "csv", "text/", "a/b/c", "text/csv\n"])
def test_what_is_no_media_type(media_type):
    """Anything else is refused."""
    with pytest.raises(DeclarationError, match="no media type"):
        check_media_type(media_type)
