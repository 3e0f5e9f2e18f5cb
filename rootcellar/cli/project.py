"""Project: the settings, registry, catalog and Celery app that a command works with."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery.app.utils import find_app

from rootcellar.catalog.catalog import Catalog
from rootcellar.cli.options import Invocation
from rootcellar.installation import installation_of
from rootcellar.runtime import current_runtime, current_settings, forget_runtime
from rootcellar.schemas.errors import NotInCatalog, RootcellarError, SettingsError
from rootcellar.schemas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from rootcellar.settings import Settings

__all__ = ["Project"]


class Project:
    """What `-A` and the settings lead to. Opens and imports on first use only.

    Args:
        ctx: Closes the catalog when the command ends.
    """

    def __init__(self, ctx: click.Context) -> None:
        self._called = Invocation.of(ctx)
        ctx.call_on_close(self._close)
        folder = str(Path.cwd())
        if folder not in sys.path:  # as celery does, so that modules beside us are found
            sys.path.insert(0, folder)

    @property
    def is_json(self) -> bool:
        """Whether the answer is for a program."""
        return self._called.is_json

    @cached_property
    def app(self) -> Any:
        """The Celery app, made the current one; None without `-A`.

        Raises:
            SettingsError: Its module cannot be imported, or has no app.
        """
        if not self._called.app:
            app = self._called.celery_app  # Celery's own default app if it was given none
            return app if installation_of(app) is not None else None
        with _importing(self._called.app):
            app = find_app(self._called.app)
        if installation_of(app) is None:
            raise SettingsError(
                f"rootcellar is not installed on the Celery app {self._called.app!r}",
                remedy="Call install(app, registry) right after Celery(…)",
            )
        app.set_current()
        return app

    @cached_property
    def settings(self) -> Settings:
        """The settings given to `install`, or else this process's."""
        installation = installation_of(self.app)
        return installation.settings if installation else current_settings()

    @cached_property
    def registry(self) -> Registry | None:
        """The registry of the app, or the one the settings name; None without either."""
        installation = installation_of(self.app)
        if installation is not None:
            return installation.registry
        return _named_registry(self.settings.registry) if self.settings.registry else None

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog. Ask `is_recorded` first: reading a catalog creates it."""
        return Catalog(self.settings.catalog)

    @cached_property
    def is_recorded(self) -> bool:
        """False while nothing was ever recorded; a command that only asks creates nothing."""
        health = self.catalog.check()
        return bool(health.revision or health.problem)

    def recorded(self) -> Catalog:
        """Return the catalog.

        Raises:
            NotInCatalog: Nothing was ever recorded.
        """
        if not self.is_recorded:
            raise NotInCatalog(
                "nothing is recorded yet",
                remedy="Run a task or push a file; `rootcellar config` shows which catalog is read",
            )
        return self.catalog

    def declared(self) -> Registry:
        """Return the registry.

        Raises:
            SettingsError: Neither `-A` nor the settings name one.
        """
        if self.registry is None:
            raise SettingsError(
                "this needs the declared types, and no registry is known",
                remedy="Name the Celery app with -A, or set registry (ROOTCELLAR_REGISTRY) to "
                "package.module:name",
            )
        return self.registry

    def prepare_transfer(self) -> Registry:
        """Make `pull` and `push` work with this project, and return its registry."""
        registry = self.declared()
        if installation_of(self.app) is None:
            current_runtime().declare(registry)
        return registry

    def _close(self) -> None:
        opened = self.__dict__.get("catalog")
        if opened is not None:
            opened.dispose()
        forget_runtime()


def _named_registry(name: str) -> Registry:
    module, _, attribute = name.partition(":")
    with _importing(name):
        found = getattr(importlib.import_module(module), attribute or "registry", None)
    if not isinstance(found, Registry):
        raise SettingsError(
            f"{name!r} is no registry",
            remedy="Set registry (ROOTCELLAR_REGISTRY) to package.module:name",
        )
    return found


@contextmanager
def _importing(name: str) -> Iterator[None]:
    """Turn whatever a user's module does when it is imported into one clear error."""
    try:
        yield
    except RootcellarError:
        raise
    except ImportError as error:
        raise SettingsError(
            f"{name!r} cannot be imported: {error}",
            remedy="Call from the folder that holds it, or install it; --debug shows more",
        ) from error
    except AttributeError as error:
        raise SettingsError(
            f"{name!r} leads to no Celery app: {error}",
            remedy="Write package.module:app; --debug shows where it failed",
        ) from error
    except Exception as error:
        raise SettingsError(
            f"importing {name!r} failed: {type(error).__name__}: {error}",
            remedy="Mend the module; --debug shows where",
        ) from error
