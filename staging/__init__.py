"""The files: stores, transfer, cache, workdir, publication, session."""

from rootcellar.staging.cache.cache import Cache, Cached
from rootcellar.staging.publication.output import Output
from rootcellar.staging.publication.publication import Published
from rootcellar.staging.session import StagingSession
from rootcellar.staging.staged import Located, StagedFile
from rootcellar.staging.stores import Address, Progress, Store, StoreLocation, Stores
from rootcellar.staging.streams.streaming import StreamedInput, StreamRequest
from rootcellar.staging.workdir.workdir import sweep

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
