"""Requests to one bucket, signed and tried again, past s3fs and botocore.

botocore is asked once per process where the bucket is and for the credentials, so that environment,
profiles and roles give the same answers as they give s3fs.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import ssl
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass
from xml.etree import ElementTree as ET

from rootcellar.schemas.errors import StoreError, StoreUnavailable
from rootcellar.staging.engine.pipeline import back_off, check_stopped
from rootcellar.staging.stores.answers import no_credentials, of_answer, unreachable
from rootcellar.staging.stores.http.many import exchange_many
from rootcellar.staging.stores.http.wire import Endpoint, Request, Wire
from rootcellar.staging.stores.s3.answer import Answer, parsed, tree_of
from rootcellar.staging.stores.s3.options import DirectOptions, NotDirectError
from rootcellar.staging.stores.s3.sigv4 import (
    UNSIGNED,
    Credentials,
    NoCredentialsFoundError,
    Signer,
    encoded_query,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from rootcellar.staging.stores.http.many import Exchanged
    from rootcellar.staging.stores.http.wire import FileSlice, Response

__all__ = ["Asked", "BucketConnection", "connect"]

_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_FIRST_PAUSE_SECONDS = 0.1
_REDIRECTION = 300
_ELSEWHERE = {301, 307, 400}
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_FOLLOWED = 2
"""To so many regions a request goes on: two that name each other have not got the bucket."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_Taken = TypeVar("_Taken")
_Item = TypeVar("_Item")


class Asked(NamedTuple):
    """One request to a bucket.

    Attributes:
        key: Within the bucket; empty for the bucket itself.
        uri: Logical, for errors.
        content: sha256 of a body that is a FileSlice, needed where `BucketConnection.signs_bodies`.
    """

    method: str
    key: str
    uri: str
    query: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    body: bytes | FileSlice = b""
    content: str = ""


@dataclass(frozen=True, slots=True)
class _Aim:
    """Where requests go, in one piece: another thread may turn to another region meanwhile."""

    url: str
    host: str
    root: str
    region: str
    signer: Signer
    wire: Wire


class BucketConnection:
    """A bucket, in one process and for all its threads."""

    def __init__(
        self,
        url: str,
        options: DirectOptions,
        region: str,
        credentials: Callable[[], Credentials | None],
    ) -> None:
        self._options = options
        self._credentials = credentials
        self._tls = _tls(options.verify) if url.startswith("https:") else None
        self.write_headers = options.write_headers
        self._aim = self._aimed(url, region)
        self.signs_bodies = self._tls is None and not _is_loopback(urlsplit(url).hostname or "")

    def _aimed(self, url: str, region: str) -> _Aim:
        parts, options = urlsplit(url), self._options
        port = parts.port or (443 if self._tls else 80)
        host, limits = parts.hostname or "", (options.connect_seconds, options.read_seconds)
        wire = Wire(Endpoint(host, port, self._tls, *limits))
        root, signer = parts.path.rstrip("/"), Signer(region, self._credentials)
        return _Aim(url, parts.netloc, root, region, signer, wire)

    @contextmanager
    def open(self, asked: Asked) -> Iterator[Response]:
        """Give the answer to a request, its body unread; a refusal is raised.

        What is transient is tried again, but not once the body has begun.

        Raises:
            StoreError: Of the kind that fits.
        """
        with ExitStack() as held:

            def keep(response: Response, attempt: ExitStack) -> Response:
                held.enter_context(attempt.pop_all())
                return response

            yield self._try(asked, keep)

    def ask(self, asked: Asked) -> Answer:
        """Return the answer to a request with its whole body; for small ones."""
        return self.ask_for(asked, lambda answer: answer)

    def ask_tree(self, asked: Asked) -> tuple[Answer, ET.Element]:
        """Return the same with its XML as a tree; success that tells an error is a refusal.

        S3 begins some of its answers before it knows how they end.
        """
        return self.ask_for(asked, lambda answer: (answer, tree_of(answer, asked.uri)))

    def ask_for(self, asked: Asked, read: Callable[[Answer], _Taken]) -> _Taken:
        """Return what is read in the answer; a transient refusal found there is tried again."""

        def take(response: Response, _: ExitStack) -> _Taken:
            return read(Answer(response.status, response.headers, response.content()))

        return self._try(asked, take)

    def ask_many(
        self, asked: Iterable[tuple[_Item, Asked]]
    ) -> Generator[Exchanged[_Item], None, None]:
        """Yield what came of many small requests, by one thread; see `exchange_many`.

        What is not done there must be asked for by `ask` or `open`.
        """
        aim = self._aim
        return exchange_many(aim.wire, self._requests(asked, aim))

    def _requests(
        self, asked: Iterable[tuple[_Item, Asked]], aim: _Aim
    ) -> Iterator[tuple[_Item, Request]]:
        for item, one in asked:
            try:
                request = self._request(one, aim)
            except NoCredentialsFoundError as error:
                raise no_credentials(one.uri) from error
            yield item, request

    def _try(self, asked: Asked, take: Callable[[Response, ExitStack], _Taken]) -> _Taken:
        tried = followed = 0
        while True:
            tried += 1
            failed: BaseException | None = None
            aim = self._aim
            try:
                with ExitStack() as attempt:
                    exchange = aim.wire.exchange(self._request(asked, aim))
                    response = attempt.enter_context(exchange)
                    if response.status < _REDIRECTION:
                        return take(response, attempt)
                    refused = _refused(response, asked.uri)
                if followed < _FOLLOWED and self._follow(response, aim):
                    followed += 1
                    continue
            except NoCredentialsFoundError as error:
                raise no_credentials(asked.uri) from error
            except StoreError as error:
                # Also what success turns out to be when it is read. Some are errors of the system.
                refused, failed = error, error.__cause__
            except OSError as error:
                check_stopped()
                refused, failed = unreachable(error, asked.uri), error
            # What was replaced may be had in its new state, but not by the same request.
            if tried >= self._options.tries or not isinstance(refused, StoreUnavailable):
                raise refused from failed
            back_off(_FIRST_PAUSE_SECONDS, tried)

    def _follow(self, response: Response, aim: _Aim) -> bool:
        """Turn to the region that Amazon says the bucket is in, if it is another."""
        region = response.headers.get("x-amz-bucket-region", "")
        if response.status not in _ELSEWHERE or region in {"", aim.region}:
            return False
        if "amazonaws." not in aim.host or not _REGION.fullmatch(region):
            return False
        url = aim.url.replace(f".{aim.region}.amazonaws.", ".amazonaws.").replace(
            "s3.amazonaws.", f"s3.{region}.amazonaws."
        )
        # Two threads may both turn; either serves.
        self._aim = self._aimed(url, region)
        return True

    def _request(self, asked: Asked, aim: _Aim) -> Request:
        path = f"{aim.root}/{quote(asked.key, safe='/')}"
        query = encoded_query(asked.query) if asked.query else ""
        headers = {"host": aim.host, **self._options.headers, **asked.headers}
        content = _EMPTY_SHA256 if not asked.body else UNSIGNED
        if self.signs_bodies and isinstance(asked.body, bytes):
            content = hashlib.sha256(asked.body).hexdigest()
        elif self.signs_bodies:
            content = asked.content
        signed = aim.signer.signed(asked.method, path, query, headers, content=content)
        target = f"{path}?{query}" if query else path
        return Request(asked.method, target, signed, asked.body)


def connect(bucket: str, options: DirectOptions) -> BucketConnection:
    """Return a connection, not opened yet.

    Raises:
        NotDirectError: The bucket is reached in a way that is not understood here.
        Exception: What botocore raises where its configuration is wrong.
    """
    if options.is_complete:
        url, region, style = options.endpoint_url, options.region, options.virtual_hosts
        own = None if options.anonymous else Credentials(options.key, options.secret, options.token)

        def credentials() -> Credentials | None:
            return own

        bundle = os.environ.get("AWS_CA_BUNDLE")
    else:
        session = _session(options)
        client, bundle = _client(session, options), session.get_config_variable("ca_bundle")
        url, region = client.meta.endpoint_url, client.meta.region_name
        style, credentials = _style(client, options), _credentials(client)
    place = _bucket_url(url, bucket, region, virtual_hosts=style)
    _check_proxies(place)
    if options.verify is None and bundle:
        options = replace(options, verify=bundle)
    return BucketConnection(place, options, region, credentials)


def _refused(response: Response, uri: str) -> StoreError:
    content, code = response.content(), ""
    if content.lstrip().startswith(b"<"):
        with suppress(ET.ParseError):
            code = parsed(content).findtext("Code") or ""
    return of_answer(code, response.status, uri)


def _session(options: DirectOptions) -> Any:
    import botocore.session  # noqa: PLC0415 (an optional extra)

    return botocore.session.Session(profile=options.profile)


def _client(session: Any, options: DirectOptions) -> Any:
    from botocore import UNSIGNED as ANONYMOUS  # noqa: PLC0415 (an optional extra)
    from botocore.config import Config  # noqa: PLC0415

    return session.create_client(
        "s3",
        region_name=options.region or None,
        endpoint_url=options.endpoint_url or None,
        aws_access_key_id=options.key or None,
        aws_secret_access_key=options.secret or None,
        aws_session_token=options.token or None,
        config=Config(signature_version=ANONYMOUS) if options.anonymous else None,
    )


def _credentials(client: Any) -> Callable[[], Credentials | None]:
    from botocore import UNSIGNED as ANONYMOUS  # noqa: PLC0415 (an optional extra)
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    if client.meta.config.signature_version is ANONYMOUS:
        return lambda: None
    found = client._request_signer._credentials  # noqa: SLF001 (no public name)

    def current() -> Credentials:
        if found is None:
            raise NoCredentialsFoundError
        try:
            frozen = found.get_frozen_credentials()
        except BotoCoreError as error:
            raise NoCredentialsFoundError from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    return current


def _style(client: Any, options: DirectOptions) -> bool | None:
    configured = dict(client.meta.config.s3 or {})
    style = configured.pop("addressing_style", None)
    if any(configured.values()):
        raise NotDirectError(", ".join(sorted(configured)))
    if options.virtual_hosts is not None:
        return options.virtual_hosts
    return {"virtual": True, "path": False}.get(style)


def _bucket_url(url: str, bucket: str, region: str, *, virtual_hosts: bool | None) -> str:
    """Return where the bucket is: a host of its own at Amazon, a path elsewhere, if not told."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.query or parts.username:
        raise NotDirectError("endpoint_url")
    amazon = "amazonaws." in parts.netloc
    if bucket.startswith("arn:") or bucket.endswith("--x-s3"):
        raise NotDirectError("the kind of bucket")
    if amazon and parts.netloc not in {f"s3.{region}.amazonaws.com", "s3.amazonaws.com"}:
        raise NotDirectError("endpoint_url")
    if virtual_hosts is None:
        # Dots would need a certificate for each of their levels.
        virtual_hosts = amazon and "." not in bucket
    if virtual_hosts:
        return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path.rstrip('/')}"
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/{bucket}"


def _check_proxies(url: str) -> None:
    parts = urlsplit(url)
    proxies = getproxies()
    if (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(parts.hostname or ""):
        raise NotDirectError("a proxy")


def _tls(verify: bool | str | None) -> ssl.SSLContext:  # noqa: FBT001 (botocore's)
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    if verify in {None, True}:
        try:
            from botocore.httpsession import get_cert_path  # noqa: PLC0415 (an optional extra)
        except ImportError:
            return ssl.create_default_context()
        verify = get_cert_path(verify=True)
    return ssl.create_default_context(cafile=str(verify))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
