"""Why an error happened, as far as its class, its codes and what it was raised from tell.

Foreign classes are known by package and name, so that nothing is imported to recognise them.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rootcellar.schemas import errors as own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["TRANSIENT", "Cause", "classify"]


class Cause(StrEnum):
    """What stands behind an error."""

    NETWORK = "network"  # a connection failed or timed out
    THROTTLING = "throttling"  # the other side asks for patience
    STORE = "store"  # the other side failed: 5xx, an input that never stood still
    CATALOG = "catalog"  # a database is away, busy or locked
    CACHE = "cache"  # the host's cache is away: open files are short, or it was deleted under a run
    DISK_FULL = "disk full"
    MISSING_INPUT = "missing input"  # what was to be read, or its place, is not there
    PERMISSION = "permission"
    CONTENT = "content"  # a file is not what it should be
    BINDING = "binding"  # the call, a declaration or the set-up is wrong
    DETERMINISTIC = "deterministic"  # the body would fail again: arithmetic, value, type
    RESOURCE = "resource"  # memory, time or open files ran out
    UNKNOWN = "unknown"


TRANSIENT = frozenset({Cause.NETWORK, Cause.THROTTLING, Cause.STORE, Cause.CATALOG, Cause.CACHE})
_REFINED = TRANSIENT | {Cause.DISK_FULL, Cause.PERMISSION}

# Every class of the tree, so that a new one without a decision is found by a test.
_OWN: dict[type[BaseException], Cause] = {
    own.RootcellarError: Cause.UNKNOWN,
    own.DeclarationError: Cause.BINDING,
    own.SettingsError: Cause.BINDING,
    own.BindingError: Cause.BINDING,
    own.InvalidKey: Cause.BINDING,
    own.ContentError: Cause.CONTENT,
    own.MissingOutput: Cause.DETERMINISTIC,
    own.TargetExists: Cause.DETERMINISTIC,
    own.InputModified: Cause.DETERMINISTIC,
    own.StoreError: Cause.UNKNOWN,
    own.ArtifactNotFound: Cause.MISSING_INPUT,
    own.AccessDenied: Cause.PERMISSION,
    own.StoreMissing: Cause.MISSING_INPUT,
    own.StoreUnavailable: Cause.STORE,
    own.ObjectChanged: Cause.STORE,
    own.DigestMismatch: Cause.CONTENT,
    own.CacheUnusable: Cause.RESOURCE,
    own.CacheFull: Cause.DISK_FULL,
    own.CacheUnavailable: Cause.CACHE,
    own.CatalogError: Cause.UNKNOWN,
    own.CatalogUnavailable: Cause.CATALOG,
    own.CatalogTooNew: Cause.BINDING,
    own.CatalogTooOld: Cause.BINDING,
    own.NotInCatalog: Cause.MISSING_INPUT,
}
# These say that something failed below them, and what it was may say more.
_REFINABLE = frozenset({own.StoreUnavailable, own.CacheUnusable})

_BY_NAME = {
    Cause.NETWORK: """
        builtins.ConnectionError builtins.TimeoutError socket.gaierror socket.herror ssl.SSLError
        http.IncompleteRead http.RemoteDisconnected http.BadStatusLine urllib.URLError
        botocore.ConnectionError botocore.HTTPClientError botocore.IncompleteReadError
        aiohttp.ClientConnectionError aiohttp.ClientPayloadError
        httpx.TransportError httpcore.NetworkError httpcore.TimeoutException
        requests.ConnectionError requests.Timeout requests.ChunkedEncodingError
        urllib3.HTTPError paramiko.SSHException
        redis.ConnectionError redis.TimeoutError kombu.OperationalError amqp.ConnectionError
    """,
    Cause.CATALOG: """
        sqlalchemy.OperationalError sqlalchemy.TimeoutError
        psycopg.OperationalError psycopg2.OperationalError
    """,
    Cause.MISSING_INPUT: """
        builtins.FileNotFoundError builtins.NotADirectoryError builtins.IsADirectoryError
    """,
    Cause.PERMISSION: """
        builtins.PermissionError ssl.SSLCertVerificationError paramiko.AuthenticationException
        botocore.NoCredentialsError botocore.PartialCredentialsError
        botocore.CredentialRetrievalError botocore.TokenRetrievalError
        botocore.UnauthorizedSSOTokenError
        aiohttp.ClientConnectorCertificateError
    """,
    Cause.DETERMINISTIC: """
        builtins.ArithmeticError builtins.AssertionError builtins.AttributeError
        builtins.FileExistsError builtins.ImportError builtins.LookupError builtins.NameError
        builtins.NotImplementedError builtins.RecursionError builtins.SyntaxError
        builtins.TypeError builtins.ValueError
        numpy.LinAlgError botocore.BotoCoreError botocore.ParamValidationError
        aiohttp.InvalidURL httpx.UnsupportedProtocol httpx.InvalidURL
        urllib3.LocationValueError urllib3.HTTPWarning
        sqlalchemy.SQLAlchemyError sqlite3.DatabaseError psycopg.Error psycopg2.Error
    """,
    Cause.RESOURCE: """
        builtins.MemoryError billiard.SoftTimeLimitExceeded billiard.TimeLimitExceeded
        billiard.WorkerLostError celery.SoftTimeLimitExceeded celery.TimeLimitExceeded
        celery.WorkerLostError
    """,
}
_CAUSE_OF_NAME = {name: cause for cause, names in _BY_NAME.items() for name in names.split()}

_BY_ERRNO = {
    Cause.NETWORK: """
        EAGAIN EINTR ECONNRESET ECONNREFUSED ECONNABORTED ENETUNREACH ENETDOWN ENETRESET
        EHOSTUNREACH EHOSTDOWN ETIMEDOUT EPIPE ENOTCONN ESHUTDOWN
    """,
    Cause.STORE: "EIO ESTALE EREMOTEIO",  # a network file system's 5xx
    Cause.DISK_FULL: "ENOSPC EDQUOT",
    Cause.MISSING_INPUT: "ENOENT ENOTDIR EISDIR ENXIO ENODEV",
    Cause.PERMISSION: "EACCES EPERM EROFS",
    Cause.RESOURCE: "ENOMEM EMFILE ENFILE",
    Cause.DETERMINISTIC: "EINVAL ENAMETOOLONG EEXIST EFBIG ELOOP ENOTEMPTY",
}
_CAUSE_OF_ERRNO = {
    getattr(errno, name): cause
    for cause, names in _BY_ERRNO.items()
    for name in names.split()
    if hasattr(errno, name)
}

# Source: botocore's list of throttling codes, and the S3 error responses.
_AWS_THROTTLING = frozenset(
    """
    Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException
    TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded
    BandwidthLimitExceeded LimitExceededException SlowDown PriorRequestNotComplete
    TransactionInProgressException EC2ThrottledException
    """.split()  # noqa: SIM905  a list to read, not to type
)
_AWS_NETWORK = frozenset({"RequestTimeout", "RequestTimeoutException"})
_AWS_STORE = frozenset(
    {"InternalError", "InternalFailure", "ServiceUnavailable", "OperationAborted"}
)
_HTTP_PACKAGES = frozenset(
    "aiohttp azure botocore gcsfs google httpx requests urllib".split()  # noqa: SIM905  as above
)

# Source: PostgreSQL, appendix A. Classes of states in which the same statement may succeed later.
_SQL_TRANSIENT = ("08", "40", "53", "55", "57", "58", "XX")
_SQL_PERMISSION = ("28", "42501")
_SQLITE_CODES = {5: Cause.CATALOG, 6: Cause.CATALOG, 10: Cause.CATALOG, 13: Cause.DISK_FULL}


def classify(
    error: BaseException, extra: Mapping[type[BaseException], Cause] | None = None
) -> Cause:
    """Return the cause of an error.

    The error's own class and codes come first; what it was raised from is asked only where they
    say little. So an error of ours is what it is, a plain `RuntimeError` is what it was raised
    from, and a `ValueError` raised `from` a lost connection is a lost connection; but a `KeyError`
    that happens while a lost connection is handled is a mistake.

    Args:
        error: Not one of Celery's own signals such as `Retry`: those are no errors.
        extra: Causes of further classes; the nearest base class counts, ours and builtins included.
    """
    return _classify(error, extra or {}, frozenset())


def _classify(
    error: BaseException, extra: Mapping[type[BaseException], Cause], seen: frozenset[int]
) -> Cause:
    seen |= {id(error)}
    if isinstance(error, BaseExceptionGroup):
        return _worst([_classify(member, extra, seen) for member in error.exceptions])
    for kind in type(error).__mro__:
        if kind in extra:
            return extra[kind]
        if kind in _OWN:
            below = _below(error) if kind in _REFINABLE else None
            refined = _ask(below, extra, seen)
            return refined if refined in _REFINED else _OWN[kind]
    cause = _of_foreign(error)
    if cause is Cause.UNKNOWN:
        return _ask(_below(error), extra, seen)
    if cause is Cause.DETERMINISTIC:
        deeper = _ask(error.__cause__, extra, seen)
        return deeper if deeper in TRANSIENT else cause
    return cause


def _below(error: BaseException) -> BaseException | None:
    """Return what the error was raised from, or else what was being handled."""
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _ask(
    error: BaseException | None,
    extra: Mapping[type[BaseException], Cause],
    seen: frozenset[int],
) -> Cause:
    if error is None or id(error) in seen:
        return Cause.UNKNOWN
    return _classify(error, extra, seen)


def _worst(causes: list[Cause]) -> Cause:
    """Return the first cause that speaks against another try, else the first."""
    return next((cause for cause in causes if cause not in TRANSIENT), causes[0])


def _of_foreign(error: BaseException) -> Cause:
    for ask in (_by_aws_code, _by_http_status, _by_database, _by_errno):
        cause = ask(error)
        if cause is not None:
            return cause
    for name in _names(error):
        if name in _CAUSE_OF_NAME:
            return _CAUSE_OF_NAME[name]
    return Cause.UNKNOWN


def _names(error: BaseException) -> Iterator[str]:
    """Yield `package.Class` of the error's class and its bases, nearest first."""
    for kind in type(error).__mro__:
        yield f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"


def _by_aws_code(error: BaseException) -> Cause | None:
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return None
    code = str(response.get("Error", {}).get("Code", ""))
    if code in _AWS_THROTTLING:
        return Cause.THROTTLING
    if code in _AWS_NETWORK:
        return Cause.NETWORK
    if code in _AWS_STORE:
        return Cause.STORE
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return _of_status(int(code) if code.isdecimal() else status)


def _by_http_status(error: BaseException) -> Cause | None:
    if not any(name.partition(".")[0] in _HTTP_PACKAGES for name in _names(error)):
        return None
    response = getattr(error, "response", None)
    for holder, attribute in (
        (response, "status_code"),
        (error, "status_code"),
        (error, "status"),
        (error, "code"),
    ):
        status = getattr(holder, attribute, None)
        if isinstance(status, int) and status:
            return _of_status(status)
    return None


def _of_status(status: Any) -> Cause | None:
    if not isinstance(status, int) or not 400 <= status < 600:  # noqa: PLR2004  HTTP's error range
        return None
    known = {
        401: Cause.PERMISSION,
        403: Cause.PERMISSION,
        404: Cause.MISSING_INPUT,
        407: Cause.PERMISSION,
        408: Cause.NETWORK,
        410: Cause.MISSING_INPUT,
        425: Cause.NETWORK,
        429: Cause.THROTTLING,
    }
    otherwise = Cause.STORE if status >= 500 else Cause.DETERMINISTIC  # noqa: PLR2004  HTTP's
    return known.get(status, otherwise)


def _by_database(error: BaseException) -> Cause | None:
    original = getattr(error, "orig", None)  # SQLAlchemy keeps the driver's error there
    if isinstance(original, BaseException) and original is not error:
        return _of_foreign(original)
    sqlite = getattr(error, "sqlite_errorcode", None)
    if isinstance(sqlite, int):
        return _SQLITE_CODES.get(sqlite & 0xFF)  # the rest of the bits only refine
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if not isinstance(state, str):
        return None
    if state.startswith(_SQL_PERMISSION):
        return Cause.PERMISSION
    return Cause.CATALOG if state.startswith(_SQL_TRANSIENT) else Cause.DETERMINISTIC


def _by_errno(error: BaseException) -> Cause | None:
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if any(name in {"socket.gaierror", "socket.herror", "ssl.SSLError"} for name in _names(error)):
        return None  # their numbers are not errno's
    return _CAUSE_OF_ERRNO.get(error.errno)
