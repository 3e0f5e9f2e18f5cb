"""Files under a temporary name."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from rootcellar.staging.host.temp_file import create_temp


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_limit_that_strikes_leaves_no_file_open(striking, tmp_path):
    """Wherever it does: each would stay open until the process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for step in range(1, 200):
            before, made, is_struck = open_files(), [], False
            try:
                with striking(step):
                    made.append(create_temp(tmp_path / f"{step}"))
            except striking.error:
                is_struck = True
            for file in made:
                file.close()
            assert before == open_files(), f"open after step {step}"
            if not is_struck:
                return
    raise AssertionError("it never ended")


def test_what_is_there_is_left(tmp_path):
    """Be it a dangling link; and a new file has the mode that was asked for."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with create_temp(tmp_path / "new", 0o400) as file:
        file.write(b"x")
        file.seek(0)
        content = file.read()

    with pytest.raises(FileExistsError):
        create_temp(tmp_path / "link")

    assert b"x" == content
    assert 0o400 == (tmp_path / "new").stat().st_mode & 0o777
    assert not (tmp_path / "nowhere").exists()
