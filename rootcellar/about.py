"""Errors of the rooms, which know no artifacts, with the artifact that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rootcellar.schemas.errors import RootcellarError

if TYPE_CHECKING:
    from rootcellar.schemas.artifact import Artifact

__all__ = ["about"]

E = TypeVar("E", bound=RootcellarError)


def about(error: E, artifact: Artifact, *, doing: str = "") -> E:
    """Return the error of a room that knows no artifacts, with the artifact's name filled in."""
    problem = f"{doing}: {error.problem}" if doing else error.problem
    # That of a member of a folder says more than the artifact's; that of a store says less.
    uri = artifact.uri if artifact.uri.startswith(error.uri) else error.uri
    return type(error)(problem, error.artifact or str(artifact), uri, error.remedy)
