"""The files: stores, transfer, cache, workdir, publication, session."""

from rootcellar.staging.cache import Cache, Cached
from rootcellar.staging.output import Output
from rootcellar.staging.publication import Published
from rootcellar.staging.session import Located, StagedFile, StagingSession
from rootcellar.staging.stores import Address, Progress, Store, StoreLocation, Stores
from rootcellar.staging.streaming import StreamedInput, StreamRequest
from rootcellar.staging.workdir import sweep

__all__ = [
    "Address",
    "Cache",
    "Cached",
    "Located",
    "Output",
    "Progress",
    "Published",
    "StagedFile",
    "StagingSession",
    "Store",
    "StoreLocation",
    "Stores",
    "StreamRequest",
    "StreamedInput",
    "sweep",
]
