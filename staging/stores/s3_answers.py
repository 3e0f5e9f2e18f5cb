"""What S3 answers, in the words of our error tree."""

from __future__ import annotations

from rootcellar.schemas.errors import (
    AccessDenied,
    ArtifactNotFound,
    ObjectChanged,
    StoreError,
    StoreMissing,
    StoreUnavailable,
)

__all__ = ["bucket_missing", "no_credentials", "of_answer", "unreachable"]

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
_HTTP_TOO_MANY, _HTTP_SERVER_ERROR = 429, 500


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
