"""A store's options as s3fs knows them, for requests that go past s3fs.

All or nothing: what is not understood exactly leaves the store to s3fs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DirectOptions", "NotDirectError"]

_TUNING = {
    "asynchronous",
    "cache_regions",
    "default_block_size",
    "default_cache_type",
    "default_fill_cache",
    "fixed_upload_size",
    "listings_expiry_time",
    "local_expiry_check",
    "loop",
    "max_concurrency",
    "max_paths",
    "skip_instance_cache",
    "use_listings_cache",
    "version_aware",
}
"""Of s3fs's own way to read and write files, which no store of ours goes."""

_CONFIG_TUNING = {
    "max_pool_connections",
    "request_checksum_calculation",
    "response_checksum_validation",
    "tcp_keepalive",
    "user_agent",
    "user_agent_extra",
}
_WRITE_HEADERS = {
    "ACL": "x-amz-acl",
    "SSEKMSEncryptionContext": "x-amz-server-side-encryption-context",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "StorageClass": "x-amz-storage-class",
    "Tagging": "x-amz-tagging",
}
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 10.0, 30.0, 5


class NotDirectError(Exception):
    """Why requests cannot go past s3fs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectOptions:
    """What the options say; empty or None where they say nothing."""

    anonymous: bool = False
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    profile: str | None = None
    endpoint_url: str = ""
    region: str = ""
    verify: bool | str | None = None
    virtual_hosts: bool | None = None
    connect_seconds: float = _CONNECT_SECONDS
    read_seconds: float = _READ_SECONDS
    tries: int = _TRIES
    headers: Mapping[str, str] = field(default_factory=dict)
    write_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether neither environment nor profile need be asked where it is and who asks."""
        return bool(
            self.endpoint_url
            and self.region
            and (self.anonymous or (self.key and self.secret))
            and not self.profile
        )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> DirectOptions:
        """Return the options as read.

        Raises:
            NotDirectError: One of them is not understood.
        """
        left = {name: value for name, value in options.items() if name not in _TUNING}
        client = dict(left.pop("client_kwargs", None) or {})
        config = dict(left.pop("config_kwargs", None) or {})
        given: dict[str, Any] = {
            "anonymous": bool(left.pop("anon", False)),
            "key": _first(left, "key", "username") or client.pop("aws_access_key_id", None),
            "secret": _first(left, "secret", "password")
            or client.pop("aws_secret_access_key", None),
            "token": _first(left, "token") or client.pop("aws_session_token", None),
            "profile": left.pop("profile", None),
            "endpoint_url": _first(left, "endpoint_url") or client.pop("endpoint_url", None),
            "region": client.pop("region_name", None) or config.pop("region_name", None),
            "verify": client.pop("verify", None),
            "headers": {"x-amz-request-payer": "requester"}
            if left.pop("requester_pays", False)
            else {},
            "write_headers": _write_headers(left.pop("s3_additional_kwargs", None) or {}),
            **_read_config(config),
        }
        encrypted = left.pop("use_ssl", True) and client.pop("use_ssl", True)
        if not encrypted and not given["endpoint_url"]:
            raise NotDirectError("use_ssl")
        for rest in (left, client, config):
            if rest:
                raise NotDirectError(", ".join(sorted(rest)))
        return cls(**{name: value for name, value in given.items() if value is not None})


def _first(left: dict[str, Any], *names: str) -> Any:
    values = [left.pop(name, None) for name in names]
    return next((value for value in values if value), None)


def _read_config(config: dict[str, Any]) -> dict[str, Any]:
    """Take what is understood out of botocore's configuration."""
    for name in _CONFIG_TUNING:
        config.pop(name, None)
    retries = dict(config.pop("retries", None) or {})
    style = dict(config.pop("s3", None) or {})
    addressing = style.pop("addressing_style", None)
    retries.pop("mode", None)
    most = retries.pop("max_attempts", None)
    # botocore writes it in place of the other into the options that s3fs hands to it.
    total = retries.pop("total_max_attempts", None if most is None else 1 + int(most))
    signature = config.pop("signature_version", "s3v4")
    if retries or style or signature not in {"s3v4", "v4"} or addressing == "auto":
        config.update({f"config_kwargs.{name}": True for name in {**retries, **style}})
        if signature not in {"s3v4", "v4"}:
            config["signature_version"] = True
    return {
        "connect_seconds": config.pop("connect_timeout", None),
        "read_seconds": config.pop("read_timeout", None),
        "tries": None if total is None else int(total),
        "virtual_hosts": {"virtual": True, "path": False}.get(addressing or ""),
    }


def _write_headers(given: Mapping[str, Any]) -> dict[str, str]:
    unknown = sorted(set(given) - set(_WRITE_HEADERS))
    if unknown:
        raise NotDirectError(f"s3_additional_kwargs: {', '.join(unknown)}")
    return {_WRITE_HEADERS[name]: str(value) for name, value in given.items()}
