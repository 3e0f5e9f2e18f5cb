"""A small project in this process: types, an app, settings of each test's own."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from rootcellar import RetryPolicy, install
from rootcellar.runtime import current_runtime

if TYPE_CHECKING:
    from rootcellar.catalog.catalog import Catalog
    from rootcellar.settings import Settings

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))


@dataclass(frozen=True)
class Project:
    """An app with the registry installed, whose tasks run in this process."""

    app: Celery
    settings: Settings
    catalog: Catalog
    published: list[Any] = field(default_factory=list)

    def put(self, artifact: Any, text: str) -> None:
        """Let bytes be there that no run made."""
        address = current_runtime().stores.store_for(artifact.uri)
        source = self.settings.home / "put"
        source.write_text(text)
        address.store.upload(address.key, source).publish()

    def exists(self, artifact: Any) -> bool:
        address = current_runtime().stores.store_for(artifact.uri)
        return address.store.stat(address.key) is not None

    def last_run(self) -> Any:
        return self.catalog.runs()[0]


@pytest.fixture
def project(rootcellar_settings, rootcellar_catalog) -> Project:
    from grid_words import registry

    app = Celery("words", set_as_current=False)
    install(app, registry, policy=RetryPolicy.off())
    return Project(app, rootcellar_settings, rootcellar_catalog)
