"""What S3 answers, in the words of our error tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    AccessDenied,
    ArtifactNotFound,
    ObjectChanged,
    StoreError,
    StoreMissing,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from rootcellar.schemas.ref import Pin

__all__ = [
    "Part",
    "bucket_missing",
    "check_listed",
    "check_part",
    "following_page",
    "no_credentials",
    "of_answer",
    "size_in",
    "unreachable",
]

_DENIED = {
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedAccess",
}
_ABSENT = {"NoSuchKey", "NoSuchVersion"}
_CHANGED = {"InvalidRange", "PreconditionFailed"}
_BUSY = {
    "ConditionalRequestConflict",
    "InternalError",
    "NoSuchUpload",  # aborted behind our back; the next run begins another
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
}
_HTTP_PARTIAL, _HTTP_TOO_MANY, _HTTP_SERVER_ERROR = 206, 429, 500
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)")
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What an answer says that its body is.

    Attributes:
        range: The header Content-Range.
    """

    status: int
    etag: str
    version_id: str
    range: str


def bucket_missing(uri: str) -> StoreMissing:
    """Return the error for a bucket that does not exist."""
    return StoreMissing(
        "the store's bucket does not exist",
        "",
        uri,
        "Create the bucket or correct the store's URL in the settings",
    )


def no_credentials(uri: str) -> AccessDenied:
    """Return the error for credentials that are not there, or not whole."""
    return AccessDenied(
        "no credentials for the store were found, or not whole",
        "",
        uri,
        "Give this process credentials: environment, profile, role, or the store's options",
    )


def unreachable(error: BaseException, uri: str) -> StoreUnavailable:
    """Return the error for a connection that failed; its text may name the host, its type not."""
    problem = f"the store could not be reached: {type(error).__name__}"
    return StoreUnavailable(
        problem, "", uri, "Try again later; check the network and the store's endpoint_url"
    )


def of_answer(code: str, status: int, uri: str) -> StoreError:
    """Return the error that an answer with this code and HTTP status tells."""
    # Answers to HEAD have no body, and so the status for a code.
    code = "" if code.isdigit() else code
    if code == "NoSuchBucket":
        return bucket_missing(uri)
    if code in _BUSY or status == _HTTP_TOO_MANY or status >= _HTTP_SERVER_ERROR:
        problem = f"the store is busy or failed: {code or status}"
        return StoreUnavailable(problem, "", uri, "Try again later")
    if code in _DENIED or status in {401, 403}:
        return AccessDenied(
            f"the store refuses access: {code or status}",
            "",
            uri,
            "Check that the credentials are valid and may list, read and, for outputs, write there",
        )
    if code in _ABSENT or (not code and status == 404):  # noqa: PLR2004 (HTTP)
        return ArtifactNotFound("nothing is there", "", uri, "Make it first, or check the key")
    if code in _CHANGED or status in {412, 416}:
        return ObjectChanged("it was replaced while it was read", "", uri, "Try again")
    return StoreError(
        f"the store refused the request: {code or status}",
        "",
        uri,
        "Check the store's URL, region and options in the settings",
    )


def size_in(text: str, uri: str) -> int:
    """Return the size that an answer tells in its headers or its XML.

    Raises:
        StoreError: It tells none: to take an object for an empty one would lose it.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise _nonsense("does not tell the size of an object", uri)
    return int(text)


def check_part(found: Part, pin: Pin, start: int, end: int, uri: str) -> None:
    """Refuse an answer that is not these bytes of the object as pinned.

    Not every server knows the conditions that it was asked under.

    Raises:
        ObjectChanged: It is of another state.
        StoreError: It is of other bytes.
    """
    if pin.version_id and found.version_id:
        is_held = found.version_id == pin.version_id
    else:
        is_held = not (pin.etag and found.etag) or found.etag == pin.etag
    if not is_held:
        raise _replaced(uri)
    if found.status != _HTTP_PARTIAL:
        if start > 0 or end < pin.size_bytes:
            raise _not_a_range(uri)
        return
    told = _CONTENT_RANGE.fullmatch(found.range)
    if told is None or int(told[1]) != start or int(told[2]) >= end:
        raise _not_a_range(uri)
    if told[3] not in {"*", str(pin.size_bytes)}:
        raise _replaced(uri)


def check_listed(key: str, root: str, uri: str) -> None:
    """Refuse a key of a listing that does not lie where was looked.

    Raises:
        StoreError: It does not.
    """
    if not key.startswith(root):
        raise _nonsense("lists objects that were not asked for", uri)


def following_page(token: str, before: str, uri: str) -> str:
    """Return what a listing that says that it is cut off goes on with.

    Raises:
        StoreError: Nothing new: the rest would be taken not to exist, or the same be read for ever.
    """
    if not token or token == before:
        raise _nonsense("does not give the rest of a listing", uri)
    return token


def _replaced(uri: str) -> ObjectChanged:
    return ObjectChanged("it was replaced while it was read", "", uri, "Try again")


def _not_a_range(uri: str) -> StoreError:
    return StoreError(
        "the store does not answer a request for a part of an object",
        "",
        uri,
        "Use a store that knows ranges",
    )


def _nonsense(problem: str, uri: str) -> StoreError:
    remedy = "Check the store's URL and endpoint_url, and what stands between"
    return StoreError(f"the store {problem}", "", uri, remedy)
