"""Which registry is meant where none is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import current_app

from rootcellar.installation import installation_of
from rootcellar.schemas.errors import SettingsError

if TYPE_CHECKING:
    from rootcellar.schemas.registry import Registry

__all__ = ["declared_registry"]


def declared_registry(given: Registry | None) -> Registry:
    """Return the given registry, or that of the current Celery app.

    Raises:
        SettingsError: There is neither.
    """
    if given is not None:
        return given
    installation = installation_of(current_app)
    if installation is None:
        raise SettingsError(
            "this needs the declared types, and no registry is known",
            remedy="Pass registry=…, or install one on the current Celery app",
        )
    return installation.registry
