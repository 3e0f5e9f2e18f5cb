"""Which of the two ways into S3 a store goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.errors import SettingsError
from rootcellar.staging.stores.s3.direct import DirectS3Store
from rootcellar.staging.stores.s3.options import DirectOptions, NotDirectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootcellar.staging.stores.store import Store

__all__ = ["open_bucket"]

_log = logging.getLogger(__name__)
_DIRECT = "direct"


def open_bucket(base: str, place: str, options: Mapping[str, Any]) -> Store:
    """Return a bucket as a store: by our own requests where all options are understood.

    Args:
        options: Of `s3fs.S3FileSystem`; and `direct`, which is not: False to go by s3fs.

    Raises:
        SettingsError: Only s3fs could serve the options, and it is not installed.
    """
    given = dict(options)
    if given.pop(_DIRECT, True):
        try:
            return DirectS3Store.opened(base, place, DirectOptions.of(given))
        except NotDirectError as reason:
            # The name of an option, never its value.
            _log.info("Store %s goes by s3fs, which knows what to do with %s.", base, reason)
    try:
        from rootcellar.staging.stores.s3.over_s3fs import S3Store  # noqa: PLC0415 (an optional extra)
    except ImportError as error:
        raise SettingsError(
            f"store {base} lies in S3, and s3fs is not installed", remedy="Install rootcellar[s3]"
        ) from error
    return S3Store(base, place, given)
