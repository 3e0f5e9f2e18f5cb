"""Results of tasks in a folder, whole or not at all, for use with the embedded broker."""

# The stubs are narrower than Celery's backends are.
# mypy: disable-error-code="override,attr-defined,arg-type"

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from celery.backends.filesystem import FilesystemBackend
from kombu.utils.encoding import ensure_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FileResults"]

_POLLING_SECONDS = 0.05


class FileResults(FilesystemBackend):
    """Celery's file backend without its races and its waits.

    Celery's own opens the final file and then writes, so that a reader meets half a result, and
    takes half a second to see one that is there.
    """

    def __init__(self, url: str | None = None, *args: Any, **kwargs: Any) -> None:
        Path(self._find_path(url)).mkdir(parents=True, exist_ok=True)
        super().__init__(url, *args, **kwargs)

    def _filename(self, key: bytes) -> bytes:
        # A task id is the caller's to choose, and may hold a slash.
        name = quote_from_bytes(key, safe="").encode()
        return os.path.join(self.path, name)  # noqa: PTH118  Celery keeps bytes

    def set(self, key: bytes, value: str | bytes) -> None:
        """Write a result. Atomic."""
        target = Path(os.fsdecode(self._filename(key)))
        # It begins as the target does, so that Celery's clean-up finds one that was left.
        written = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
        written.write_bytes(ensure_bytes(value))
        written.replace(target)

    def delete(self, key: bytes) -> None:
        """Remove a result. Safe to repeat."""
        Path(os.fsdecode(self._filename(key))).unlink(missing_ok=True)

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,  # noqa: FBT001, FBT002  Celery's signature
        on_interval: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Wait for one result, looking often: a look costs one small read."""
        meta: dict[str, Any] = super().wait_for(
            task_id, timeout, min(interval, _POLLING_SECONDS), no_ack, on_interval
        )
        return meta

    def get_many(
        self,
        task_ids: Any,
        timeout: float | None = None,
        interval: float | None = 0.5,
        **kwargs: Any,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield results as they come, looking often."""
        often = _POLLING_SECONDS if interval is None else min(interval, _POLLING_SECONDS)
        yield from super().get_many(task_ids, timeout, often, **kwargs)

    def fallback_chord_unlock(
        self, header_result: Any, body: Any, countdown: float = 1.0, **kwargs: Any
    ) -> None:
        """Look at once whether a chord's header is done, not in a second."""
        super().fallback_chord_unlock(
            header_result, body, min(countdown, _POLLING_SECONDS), **kwargs
        )
