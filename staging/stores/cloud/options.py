"""Options of gcsfs and adlfs, for obstore.

All or nothing: what is not understood exactly leaves the store to the protocol's fsspec package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.store import AzureStore, GCSStore

from rootcellar.staging.stores.cloud.store import CLIENT_OPTIONS, RETRY_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["UnknownOptionError", "maker"]

_GOOGLE_PROTOCOLS = {"gs", "gcs"}

_GOOGLE = {
    "application_credentials",
    "base_url",
    "bearer_token",
    "service_account",
    "service_account_key",
    "skip_signature",
}
_AZURE = {
    "account_key",
    "account_name",
    "client_id",
    "client_secret",
    "endpoint",
    "federated_token_file",
    "msi_endpoint",
    "sas_key",
    "skip_signature",
    "tenant_id",
    "token",
    "use_azure_cli",
    "use_emulator",
}
"""What obstore itself calls so."""


class UnknownOptionError(Exception):
    """The names of options that obstore has no equal for."""


def maker(url: str, options: Mapping[str, Any]) -> Callable[[], Any]:
    """Return what makes obstore's object for a URL.

    Raises:
        UnknownOptionError: An option is not understood.
    """
    protocol, _, place = url.partition("://")
    bucket, _, prefix = place.partition("/")
    left = dict(options)
    client = {**CLIENT_OPTIONS, **(left.pop("client_options", None) or {})}
    kind: Any
    if protocol in _GOOGLE_PROTOCOLS:
        kind, config = GCSStore, _google(left)
    else:
        bucket, _, host = bucket.partition("@")
        kind, config = AzureStore, _azure(left, host.partition(".")[0])
    if left:
        raise UnknownOptionError(", ".join(sorted(left)))
    if str(config.get("endpoint", config.get("base_url", ""))).startswith("http://"):
        client["allow_http"] = True

    def make() -> Any:
        return kind(
            bucket,
            prefix=prefix.strip("/") or None,
            config=config,
            client_options=client,
            retry_config=RETRY_OPTIONS,
        )

    return make


def _google(left: dict[str, Any]) -> dict[str, Any]:
    config = {name: left.pop(name) for name in _GOOGLE & set(left)}
    left.pop("project", None)
    if (endpoint := left.pop("endpoint_url", None)) is not None:
        config["base_url"] = endpoint
    given = left.pop("token", None)
    if given == "anon":
        config["skip_signature"] = True
    elif isinstance(given, str) and Path(given).suffix == ".json":
        config["service_account"] = given
    elif given is not None and given != "google_default":
        left["token"] = given
    return config


def _azure(left: dict[str, Any], account: str) -> dict[str, Any]:
    config = {name: left.pop(name) for name in _AZURE & set(left)}
    if account:
        config.setdefault("account_name", account)
    if (token := left.pop("sas_token", None)) is not None:
        config["sas_key"] = str(token).lstrip("?")
    if left.get("anon") in {True, False}:
        config["skip_signature"] = left.pop("anon")
    if (text := left.pop("connection_string", None)) is not None:
        config.update(_connection(text, left))
    return config


def _connection(text: str, left: dict[str, Any]) -> dict[str, str]:
    """Read an Azure connection string; what is in it and not understood goes to `left`."""
    names = {"AccountName": "account_name", "AccountKey": "account_key", "BlobEndpoint": "endpoint"}
    config = {}
    for pair in filter(None, text.split(";")):
        name, _, value = pair.partition("=")
        if name in names:
            config[names[name]] = value
        elif name not in {"DefaultEndpointsProtocol", "EndpointSuffix"}:
            left["connection_string"] = True
    return config
