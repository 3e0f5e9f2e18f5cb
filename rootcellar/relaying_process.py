"""The subprocess of a worker that tells OpenLineage of runs; see `relaying`.

`python -m rootcellar.relaying_process PARENT`. It lives no longer than its worker: it ends when its
standard input closes, or when it finds itself with another parent.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import time

from rootcellar import __version__
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.exchange.dataset_names import DatasetNames
from rootcellar.catalog.exchange.relay import RelayOptions
from rootcellar.repository import repository_of
from rootcellar.schemas.errors import CatalogUnavailable, RootcellarError
from rootcellar.settings import Settings

__all__ = ["main", "relay_options"]

_log = logging.getLogger("rootcellar.openlineage")
_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 30.0
_NICER = 5


def relay_options(settings: Settings, name: str = "") -> RelayOptions:
    """Return how these settings have runs told of, by the relay of this name."""
    return RelayOptions(
        namespace=settings.openlineage_namespace,
        names=DatasetNames(
            stores={name: store.url for name, store in settings.stores.items()},
            granularity=settings.openlineage_datasets,
        ),
        version=__version__,
        holder=name,
        repository=repository_of(settings.git_remote),
    )


def main(parent: int) -> None:
    """Tell of runs until standard input closes; its first line has what `relaying` knows."""
    # A terminal sends it to all processes, and the worker decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICER)
    line = sys.stdin.readline()
    if not line:
        return
    first = json.loads(line)
    logging.basicConfig(format="[%(asctime)s: %(levelname)s/rootcellar] %(message)s")
    logging.getLogger("rootcellar").setLevel(first["level"])
    # Only now, and not from the start, when everyone could read them who may read our environment.
    os.environ.update(first["settings"])
    try:
        while not _relay(parent, first["name"]):
            pass
    except RootcellarError as error:
        _log.error("this worker does not tell OpenLineage of runs: %s", error)


def _relay(parent: int, name: str) -> bool:
    """Tell of runs until the worker ends; false if the catalog was away at the beginning."""
    settings = Settings.read()
    with Catalog(settings.catalog) as catalog:
        try:
            relay = catalog.relay(relay_options(settings, name))
            relay.begin()
        except CatalogUnavailable as error:
            _log.warning("telling OpenLineage will be tried again: %s", error)
            return _has_ended(_RETRY_SECONDS, parent)
        try:
            relay.follow(lambda seconds: _has_ended(seconds, parent))
        finally:
            relay.close()
    return True


def _has_ended(seconds: float, parent: int) -> bool:
    """Wait so long, or until the worker ends; tell whether it did."""
    until = time.monotonic() + seconds
    while True:
        left = max(0.0, until - time.monotonic())
        closed, _, _ = select.select([sys.stdin], [], [], min(left, _LOOK_SECONDS))
        if closed or os.getppid() != parent:
            return True
        if left <= _LOOK_SECONDS:
            return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
