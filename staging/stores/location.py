"""Where stores are, and which store a logical URI belongs to."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.errors import InvalidKey, SettingsError, StoreMissing
from rootcellar.schemas.manifest import check_member_path
from rootcellar.staging.engine.hashing import Hasher
from rootcellar.staging.stores.folder import FolderStore
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Store

__all__ = ["StoreLocation", "Stores"]

_FOLDER_PROTOCOLS = {"", "file", "local"}
_S3_PROTOCOLS = {"s3", "s3a"}
_CLOUD_PROTOCOLS = {"gs", "gcs", "az", "abfs", "abfss"}
_MOST_ADDRESSES = 1024
_S3_ENVIRONMENT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE")
_NO_PLACE = frozenset(
    [
        "account_key",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "client_secret",
        "credential",
        "key",
        "passphrase",
        "password",
        "pkey",
        "sas_token",
        "secret",
        "token",
        "auto_mkdir",
        "connect_timeout",
        "direct",
        "max_attempts",
        "max_pool_connections",
        "read_timeout",
        "retries",
        "s3_additional_kwargs",
        "timeout",
        "total_max_attempts",
    ]
)
"""Options that may differ between two who mean the same place: credentials and patience."""

_PRINTED = (str, int, float, bool, type(None))
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLocation:
    """A store's configuration.

    Attributes:
        name: The scheme of logical URIs.
        url: `s3://bucket/prefix`, `file:///data`, a folder's path, `memory://name`, or any URL
            that fsspec speaks; one protocol, not a chain. May hold a password: never printed.
        options: For the protocol's filesystem, as fsspec calls them. Never printed. A folder knows
            one: `auto_mkdir`.

    Raises:
        SettingsError: The name cannot be a scheme, or the URL is empty or a chain.
    """

    name: str
    url: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _SCHEME.fullmatch(self.name):
            raise SettingsError(
                f"{self.name!r} cannot be the scheme of a URI",
                remedy="Name stores with small letters, digits, '-' and '_'",
            )
        if not self.url or "::" in self.url:
            raise SettingsError(
                f"the URL of store {self.name!r} is empty or a chain of protocols",
                remedy="Give one protocol, such as s3://bucket/prefix or a folder",
            )

    @property
    def protocol(self) -> str:
        """The URL's scheme, or empty for a folder's path."""
        return self.url.partition("://")[0] if "://" in self.url else ""

    @property
    def place(self) -> str:
        """A digest of where the store is: it differs where the URL, endpoint or account does.

        It is the same in all processes of one configuration, and after a change of passwords.
        """
        if self.protocol in _FOLDER_PROTOCOLS:
            return _digest_of(str(_folder_of(self.url)))
        found = [f"{name}={value}" for name, value in _leaves(self.options)]
        if self.protocol in _S3_PROTOCOLS:
            # As botocore, which asks these only where the options say nothing.
            found += [f"{name}={os.environ.get(name, '')}" for name in _S3_ENVIRONMENT]
        return _digest_of("\n".join([self.url, *sorted(found)]))


class Stores:
    """The stores that settings name, and the protocols that may be addressed directly.

    Connects to nothing before a store is used, and then once per process.

    Args:
        locations: Each name once.
        allowed_protocols: Schemes that are no store and may stand in a URI, such as `s3`.
        default_folder: If given, a name that is neither is a folder below this one.
        algorithm: Of new digests. Whatever has one is checked by its own.

    Raises:
        SettingsError: The algorithm's package is not installed.
    """

    def __init__(
        self,
        locations: Iterable[StoreLocation],
        *,
        allowed_protocols: Iterable[str] = (),
        default_folder: Path | None = None,
        algorithm: Algorithm = "sha256",
    ) -> None:
        Hasher(algorithm)
        self._algorithm = algorithm
        self._locations = {location.name: location for location in locations}
        self._allowed = frozenset(allowed_protocols)
        self._default_folder = default_folder
        self._opened: dict[str, Store] = {}
        # Where a URI leads never changes; to find out takes as long as half of a cache's hit.
        self._found: dict[str, Address] = {}

    def __repr__(self) -> str:
        return f"Stores({', '.join(self.names)})"

    @classmethod
    def from_mapping(
        cls,
        stores: Mapping[str, str | Mapping[str, Any]],
        *,
        allowed_protocols: Iterable[str] = (),
        default_folder: Path | None = None,
        algorithm: Algorithm = "sha256",
    ) -> Stores:
        """Return the stores of a mapping from name to URL, or to `url` and `options`.

        Raises:
            SettingsError: See StoreLocation; or the algorithm's package is not installed.
        """
        locations = (
            StoreLocation(name=name, **value)
            if isinstance(value, Mapping)
            else StoreLocation(name=name, url=value)
            for name, value in stores.items()
        )
        return cls(
            locations,
            allowed_protocols=allowed_protocols,
            default_folder=default_folder,
            algorithm=algorithm,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all stores, sorted."""
        return tuple(sorted(self._locations))

    def named(self, name: str) -> Store:
        """Return the store of that name.

        Raises:
            StoreMissing: There is none.
        """
        location = self._location(name)
        if location is None:
            raise self._missing(name, f"{name}://")
        return self._open(f"{name}://", location)

    def _location(self, name: str) -> StoreLocation | None:
        found = self._locations.get(name)
        if found is None and self._default_folder is not None and name not in self._allowed:
            url = str(self._default_folder / name)
            return StoreLocation(name=name, url=url, options={"auto_mkdir": True})
        return found

    def store_for(self, uri: str) -> Address:
        """Return the store and the key that a logical URI leads to.

        Raises:
            InvalidKey: The URI could leave its store or address something else.
            StoreMissing: Its scheme is neither a store's name nor an allowed protocol.
        """
        found = self._found.get(uri)
        if found is None:
            if len(self._found) >= _MOST_ADDRESSES:
                self._found.clear()
            found = self._found[uri] = self._find(uri)
        return found

    def check_place(self, uri: str) -> None:
        """Refuse a URI whose store is not there, as far as this host can tell; asks no network.

        Raises:
            StoreMissing: Its scheme is neither a store's name nor an allowed protocol, or the
                store's folder does not exist.
        """
        scheme = uri.partition("://")[0]
        store = self._opened.get(f"{scheme}://")
        if store is None:
            location = self._location(scheme)
            if location is None and scheme not in self._allowed:
                raise self._missing(scheme, uri)
            if location is None or location.protocol not in _FOLDER_PROTOCOLS:
                return
            store = self.named(scheme)
        if isinstance(store, FolderStore):
            store.check_root()

    def _find(self, uri: str) -> Address:
        scheme, separator, rest = uri.partition("://")
        if not separator or not _SCHEME.fullmatch(scheme):
            raise _refused(uri, "this is not a URI")
        if self._location(scheme) is not None:
            return Address(self.named(scheme), _checked(rest, uri))
        if scheme not in self._allowed:
            raise self._missing(scheme, uri)
        authority, _, key = rest.partition("/")
        base = f"{scheme}://{authority}"
        location = StoreLocation(name=scheme, url=f"{base}/")
        return Address(self._open(f"{base}/", location), _checked(key, uri))

    def _open(self, base: str, location: StoreLocation) -> Store:
        # Two threads may both open one; either serves.
        if base not in self._opened:
            store = _open(base, location)
            store.algorithm = self._algorithm
            store.place = location.place
            self._opened[base] = store
        return self._opened[base]

    def _missing(self, name: str, uri: str) -> StoreMissing:
        known = ", ".join(self.names) or "none"
        return StoreMissing(
            f"there is no store named {name!r}; known are: {known}",
            "",
            uri,
            f"Name the store in the settings (stores.{name}), or add {name!r} to allowed_protocols "
            "if it is a protocol",
        )


def _open(base: str, location: StoreLocation) -> Store:
    if location.protocol in _FOLDER_PROTOCOLS:
        return FolderStore(base, _folder_of(location.url), **location.options)
    if location.protocol in _S3_PROTOCOLS:
        from rootcellar.staging.stores.s3.choice import open_bucket  # noqa: PLC0415 (as below)

        return open_bucket(base, location.url.partition("://")[2], location.options)
    if location.protocol in _CLOUD_PROTOCOLS:
        from rootcellar.staging.stores.cloud.choice import open_cloud  # noqa: PLC0415 (as below)

        return open_cloud(base, location.url, location.options)
    # fsspec takes a tenth of a second to import; who has folders only does not pay for it.
    from rootcellar.staging.stores.generic import GenericStore  # noqa: PLC0415

    return GenericStore(base, location.url, location.options)


def _folder_of(url: str) -> Path:
    path = url.partition("://")[2] if "://" in url else url
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 (links stay)


def _leaves(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the options that may tell where a store is, those within others too."""
    for name, value in options.items():
        if name in _NO_PLACE:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            # An object prints otherwise in each process.
            yield name, str(value) if isinstance(value, _PRINTED) else type(value).__name__


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(key: str, uri: str) -> str:
    if "::" in key or "?versionid" in key.lower():
        raise _refused(uri, "'::' and '?versionId' could address something else")
    try:
        return check_member_path(key)
    except ValueError as error:
        raise _refused(
            uri, "an empty, '.' or '..' segment, a backslash or a control character stands in it"
        ) from error


def _refused(uri: str, problem: str) -> InvalidKey:
    shown = ascii(uri)[1:-1][:200]
    return InvalidKey(problem, "", shown, "Use a URI such as raw://weather/03.dat")
