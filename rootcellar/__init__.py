"""Declare the files your Celery tasks read and write.

They are there when the task starts, published whole when it ends, and every run leaves a record of
what it read, what it made, and why.

Names are imported on first use, so that `import rootcellar` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootcellar.artifact import Artifact
    from rootcellar.broker import broker_options
    from rootcellar.by_hand import staged
    from rootcellar.notebook import Catalog
    from rootcellar.retry import NEVER, Cause, RetryPolicy, Rule
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.errors import RootcellarError
    from rootcellar.schemas.formats import ArrowIpc, Csv, File, Folder, Json, Parquet, Text
    from rootcellar.schemas.handle import NOT_STAGED, OUTPUT, OUTPUTS, STREAMED, Outputs, Staged
    from rootcellar.schemas.ref import Ref
    from rootcellar.schemas.registry import Registry
    from rootcellar.schemas.retention import Retention
    from rootcellar.settings import Settings
    from rootcellar.worker import install, uninstall

__all__ = [
    "NEVER",
    "NOT_STAGED",
    "OUTPUT",
    "OUTPUTS",
    "STREAMED",
    "ArrowIpc",
    "Artifact",
    "Catalog",
    "Cause",
    "Csv",
    "Digest",
    "File",
    "Folder",
    "Json",
    "Outputs",
    "Parquet",
    "Ref",
    "Registry",
    "Retention",
    "RetryPolicy",
    "RootcellarError",
    "Rule",
    "Settings",
    "Staged",
    "Text",
    "__version__",
    "broker_options",
    "install",
    "staged",
    "uninstall",
]

__version__ = "0.1.0"

_HOMES = {
    "rootcellar.artifact": ("Artifact",),
    "rootcellar.broker": ("broker_options",),
    "rootcellar.by_hand": ("staged",),
    "rootcellar.notebook": ("Catalog",),
    "rootcellar.retry": ("NEVER", "Cause", "RetryPolicy", "Rule"),
    "rootcellar.schemas.digest": ("Digest",),
    "rootcellar.schemas.errors": ("RootcellarError",),
    "rootcellar.schemas.formats": (
        "ArrowIpc",
        "Csv",
        "File",
        "Folder",
        "Json",
        "Parquet",
        "Text",
    ),
    "rootcellar.schemas.handle": (
        "NOT_STAGED",
        "OUTPUT",
        "OUTPUTS",
        "STREAMED",
        "Outputs",
        "Staged",
    ),
    "rootcellar.schemas.ref": ("Ref",),
    "rootcellar.schemas.registry": ("Registry",),
    "rootcellar.schemas.retention": ("Retention",),
    "rootcellar.settings": ("Settings",),
    "rootcellar.worker": ("install", "uninstall"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'rootcellar' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
