"""The one error tree of all rooms.

    RootcellarError
    |- DeclarationError (ValueError)         a type, template or registry is wrong as defined
    |- SettingsError (ValueError)            a setting is missing, unknown or contradicts another
    |- BindingError (TypeError)              a call does not fit what its task declares
    |  `- InvalidKey (ValueError)            a key value is ill-typed or could go elsewhere
    |- ContentError (ValueError)             a file is not what its type's format says
    |- MissingOutput (FileNotFoundError)     the body ended without writing a declared output
    |- TargetExists (FileExistsError)        a pull would replace a local file that differs
    |- InputModified                         the body changed a file it may only read
    |- StoreError (OSError)
    |  |- ArtifactNotFound (FileNotFoundError)
    |  |- AccessDenied (PermissionError)     no credentials, or not these
    |  |- StoreMissing (LookupError)         no such store, or its bucket or folder is not there
    |  |- StoreUnavailable (ConnectionError) transient: timeout, reset, throttling, 5xx
    |  |- ObjectChanged                      transient: it never stood still while it was read
    |  `- DigestMismatch                     the bytes are not the ones that were promised
    |- CacheUnusable (OSError)               the host cache cannot be written, or not safely shared
    |  |- CacheFull                          transient: runs on this host hold its whole budget
    |  `- CacheUnavailable                   transient: too many open files, or deleted under a run
    `- CatalogError
       |- CatalogUnavailable (ConnectionError)  transient
       |- CatalogTooNew                      a newer rootcellar wrote this catalog
       |- CatalogTooOld                      the catalog must be upgraded first
       `- NotInCatalog (LookupError)         nothing is recorded under that name

Every error is built from four plain strings and nothing else, so that it survives pickling and
Celery's JSON results whole. `transient` says whether the same call may succeed later.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AccessDenied",
    "ArtifactNotFound",
    "BindingError",
    "CacheFull",
    "CacheUnavailable",
    "CacheUnusable",
    "CatalogError",
    "CatalogTooNew",
    "CatalogTooOld",
    "CatalogUnavailable",
    "ContentError",
    "DeclarationError",
    "DigestMismatch",
    "InputModified",
    "InvalidKey",
    "MissingOutput",
    "NotInCatalog",
    "ObjectChanged",
    "RootcellarError",
    "SettingsError",
    "StoreError",
    "StoreMissing",
    "StoreUnavailable",
    "TargetExists",
]


class RootcellarError(Exception):
    """Anything that rootcellar itself refuses or fails to do.

    Args:
        problem: What went wrong, one sentence without a full stop.
        artifact: The artifact or type concerned, as it prints, or empty.
        uri: Its logical URI, or empty. Never a host path or a store's credentials.
        remedy: What the reader can do about it, one sentence without a full stop.
    """

    transient: ClassVar[bool] = False

    def __init__(self, problem: str, artifact: str = "", uri: str = "", remedy: str = "") -> None:
        # Not super().__init__: OSError's reads its first arguments as errno and file name.
        self.args = (problem, artifact, uri, remedy)

    @property
    def problem(self) -> str:
        """What went wrong."""
        return str(self.args[0])

    @property
    def artifact(self) -> str:
        """The artifact or type concerned, or empty."""
        return str(self.args[1])

    @property
    def uri(self) -> str:
        """The logical URI concerned, or empty."""
        return str(self.args[2])

    @property
    def remedy(self) -> str:
        """What can be done about it, or empty."""
        return str(self.args[3])

    def __str__(self) -> str:
        about = " at ".join(part for part in (self.artifact, self.uri) if part)
        sentence = _sentence(f"{about}: {self.problem}" if about else self.problem)
        return f"{sentence} {_sentence(self.remedy)}" if self.remedy else sentence


def _sentence(text: str) -> str:
    # A problem may end with the words of another library, full stop and all.
    return text if text.endswith((".", "!", "?")) else f"{text}."


class DeclarationError(RootcellarError, ValueError):
    """A type, template or registry is wrong where it is defined."""


class SettingsError(RootcellarError, ValueError):
    """A setting is missing, unknown or contradicts another."""


class BindingError(RootcellarError, TypeError):
    """A call does not fit what its task declares."""


class InvalidKey(BindingError, ValueError):
    """A key value has the wrong type or could address something else."""


class ContentError(RootcellarError, ValueError):
    """A file is not what its type's format says."""


class MissingOutput(RootcellarError, FileNotFoundError):
    """The body ended without writing a declared output."""


class TargetExists(RootcellarError, FileExistsError):
    """A pull would replace a local file that differs."""


class InputModified(RootcellarError):
    """The body changed a file it may only read."""


class StoreError(RootcellarError, OSError):
    """A store could not do what was asked of it."""


class ArtifactNotFound(StoreError, FileNotFoundError):
    """Nothing is there."""


class AccessDenied(StoreError, PermissionError):
    """No credentials were found, or these may not."""


class StoreMissing(StoreError, LookupError):
    """No store has that name, or its bucket or folder does not exist."""


class StoreUnavailable(StoreError, ConnectionError):
    """Timeout, reset, throttling or a server error."""

    transient = True


class ObjectChanged(StoreError):
    """The object was replaced each time it was read."""

    transient = True


class DigestMismatch(StoreError):
    """The bytes are not the ones that were promised."""


class CacheUnusable(RootcellarError, OSError):
    """The host cache cannot be written, or not safely shared."""


class CacheFull(CacheUnusable):
    """The host cache has no room now: its budget or its disk is used up."""

    transient = True


class CacheUnavailable(CacheUnusable):
    """The host cache cannot be used for now: files are short, or a run's were deleted under it."""

    transient = True


class CatalogError(RootcellarError):
    """The catalog could not answer or record."""


class CatalogUnavailable(CatalogError, ConnectionError):
    """The catalog's database cannot be reached or is too busy."""

    transient = True


class CatalogTooNew(CatalogError):
    """A newer rootcellar wrote this catalog."""


class CatalogTooOld(CatalogError):
    """The catalog must be upgraded before this rootcellar can use it."""


class NotInCatalog(CatalogError, LookupError):
    """Nothing is recorded under that name."""
