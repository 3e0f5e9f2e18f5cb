"""Which of the two ways to Google and Azure a store goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rootcellar.staging.stores.generic import GenericStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootcellar.staging.stores.store import Store

__all__ = ["open_cloud"]

_log = logging.getLogger(__name__)
_DIRECT = "direct"


def open_cloud(base: str, url: str, options: Mapping[str, Any]) -> Store:
    """Return a bucket or container as a store: by obstore if it is there and knows the options.

    Args:
        options: Of gcsfs, adlfs or obstore; and `direct`: False to go by fsspec.
    """
    given = dict(options)
    if given.pop(_DIRECT, True):
        try:
            from rootcellar.staging.stores.cloud.options import (  # noqa: PLC0415
                UnknownOptionError,
                maker,
            )
            from rootcellar.staging.stores.cloud.store import CloudStore  # noqa: PLC0415 (an extra)
        except ImportError:
            return GenericStore(base, url, given)
        try:
            return CloudStore(base, maker(url, given))
        except UnknownOptionError as reason:
            # The name of an option, never its value.
            _log.info("Store %s goes by fsspec, which knows what to do with %s.", base, reason)
    return GenericStore(base, url, given)
