"""What S3 and the way to it answer, in the words of our error tree."""

from __future__ import annotations

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ResponseStreamingError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from rootcellar.schemas.errors import (
    AccessDenied,
    ArtifactNotFound,
    ObjectChanged,
    StoreError,
    StoreMissing,
    StoreUnavailable,
)

__all__ = ["bucket_missing", "translated"]

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)
_NO_CONNECTION = (
    BotoConnectionError,
    HTTPClientError,
    ResponseStreamingError,
    aiohttp.ClientError,
    OSError,
)
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


def translated(error: BaseException, uri: str) -> BaseException:
    """Return the error of our tree for what a request raised, or the same if it is none of S3's."""
    # s3fs turns answers into OSErrors by code; the answer itself is their cause.
    answer = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(answer, ClientError):
        return _of_answer(answer, uri)
    if isinstance(error, _NO_CREDENTIALS):
        return AccessDenied(
            "no credentials for the store were found, or not whole",
            "",
            uri,
            "Give this process credentials: environment, profile, role, or the store's options",
        )
    if isinstance(error, _NO_CONNECTION):
        problem = f"the store could not be reached: {type(error).__name__}"
        return StoreUnavailable(
            problem, "", uri, "Try again later; check the network and the store's endpoint_url"
        )
    if isinstance(error, BotoCoreError):
        problem = f"the request could not be made: {type(error).__name__}"
        return StoreError(problem, "", uri, "Check the store's URL and options in the settings")
    return error


def bucket_missing(uri: str) -> StoreMissing:
    """Return the error for a bucket that does not exist."""
    return StoreMissing(
        "the store's bucket does not exist",
        "",
        uri,
        "Create the bucket or correct the store's URL in the settings",
    )


def _of_answer(answer: ClientError, uri: str) -> StoreError:
    code = str(answer.response.get("Error", {}).get("Code", ""))
    status = int(answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
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
