"""What s3fs and what is below it raise, in the words of our error tree."""

from __future__ import annotations

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
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

from rootcellar.schemas.errors import StoreError, StoreUnavailable
from rootcellar.staging.stores.answers import no_credentials, of_answer, unreachable

__all__ = ["translated"]

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


def translated(error: BaseException, uri: str) -> BaseException:
    """Return the error of our tree for what a request raised, or the same if it is none of S3's."""
    # s3fs turns answers into OSErrors by code; the answer itself is their cause.
    answer = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(answer, ClientError):
        code = str(answer.response.get("Error", {}).get("Code", ""))
        status = int(answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return of_answer(code, status, uri)
    if isinstance(error, _NO_CREDENTIALS):
        return no_credentials(uri)
    if isinstance(error, _NO_CONNECTION):
        return unreachable(error, uri)
    if isinstance(error, FlexibleChecksumError):
        return StoreUnavailable("its bytes were damaged on the way", "", uri, "Try again")
    if isinstance(error, BotoCoreError):
        problem = f"the request could not be made: {type(error).__name__}"
        return StoreError(problem, "", uri, "Check the store's URL and options in the settings")
    return error
