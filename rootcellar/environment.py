"""Where the code ran: interpreter, platform and packages, taken once per process."""

from __future__ import annotations

import functools
import platform
from importlib import metadata

from rootcellar.schemas.record import Environment

__all__ = ["environment"]


@functools.cache
def environment(image: str = "") -> Environment:
    """Return this process's environment; `image` is the container image, from the settings."""
    packages = {
        str(distribution.metadata["Name"]).lower(): distribution.version
        for distribution in metadata.distributions()
        if distribution.metadata["Name"]
    }
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=dict(sorted(packages.items())),
        image=image,
    )
