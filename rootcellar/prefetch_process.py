"""The subprocess of a worker that prefetches: `python -m rootcellar.prefetch_process FD PARENT`.

It lives no longer than its worker: it ends when the socket it is fed through closes, when the
kernel tells of its parent's death, or when it finds itself with another parent.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import shutil
import signal
import socket
import sys
from typing import Any, NoReturn

from rootcellar.runtime import Runtime
from rootcellar.schemas.errors import RootcellarError
from rootcellar.scrub import scrubbed
from rootcellar.settings import Settings
from rootcellar.staging.prefetch import MESSAGE_BYTES, Prefetcher, Upcoming

__all__ = ["main"]

_log = logging.getLogger("rootcellar.prefetch")
_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 1.0
_NICER = 5
_FLOOR_SHARE = 20


class _Ended(Exception):  # noqa: N818 - an end, not an error
    """The worker is gone, or wants us gone."""


def main(file: int, parent: int) -> None:
    """Prefetch what comes through a socket until it closes.

    The first message has the settings and the log level; those after it have inputs to bring, or
    tasks to forget.
    """
    prefetcher: Prefetcher | None = None
    try:
        _follow(parent)
        feed = socket.socket(fileno=file)
        feed.settimeout(_LOOK_SECONDS)
        prefetcher = _opened(_next(feed, parent))
        while True:
            _obey(_next(feed, parent), prefetcher)
    except _Ended:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if prefetcher is not None:
        prefetcher.stop(_STOP_SECONDS)


def _follow(parent: int) -> None:
    """Arrange to end with the parent, and to leave the processor to its tasks."""
    signal.signal(signal.SIGTERM, _end)
    # A terminal sends it to all processes, and the worker decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)  # it died before we asked to be told
    os.nice(_NICER)


def _end(_number: int, _frame: object) -> NoReturn:
    raise _Ended


def _next(feed: socket.socket, parent: int) -> dict[str, Any]:
    while os.getppid() == parent:
        try:
            message = feed.recv(MESSAGE_BYTES)
        except TimeoutError:
            continue
        if not message:
            break
        found: dict[str, Any] = json.loads(message)
        return found
    raise _Ended


def _opened(first: dict[str, Any]) -> Prefetcher | None:
    """Return a prefetcher with the worker's settings; None if they do not serve."""
    logging.basicConfig(format="[%(asctime)s: %(levelname)s/rootcellar] %(message)s")
    logging.getLogger("rootcellar").setLevel(first["level"])
    # Only now, and not from the start, when everyone could read them who may read our environment.
    os.environ.update(first["settings"])
    try:
        settings = Settings.read()
        # Opens nothing but these two; the catalog stays closed.
        runtime = Runtime(settings)
        return Prefetcher(
            runtime.stores,
            runtime.cache,
            room_bytes=settings.prefetch_bytes,
            floor_bytes=shutil.disk_usage(runtime.cache.root).total // _FLOOR_SHARE,
            link_local=settings.link_local,
            shown=lambda text: scrubbed(text, settings),
        )
    except RootcellarError as error:
        # Not an end: the worker would start us again for the next message.
        _log.warning("this worker does not prefetch: %s", error)
        return None


def _obey(message: dict[str, Any], prefetcher: Prefetcher | None) -> None:
    if prefetcher is not None:
        for upcoming in message.get("add", ()):
            prefetcher.add(Upcoming.from_json(upcoming))
        prefetcher.release(message.get("release", ()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    # Threads that did not stop in time: what they leave is swept by the next process.
    os._exit(0)
