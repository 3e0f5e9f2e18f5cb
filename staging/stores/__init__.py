"""Remote places: the only door to fsspec and to the S3 interface."""

from rootcellar.staging.stores.location import StoreLocation, Stores
from rootcellar.staging.stores.store import Address, Listed, PendingUpload, Progress, Store

__all__ = ["Address", "Listed", "PendingUpload", "Progress", "Store", "StoreLocation", "Stores"]
