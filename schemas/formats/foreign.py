"""Recognise types of other packages without importing them.

An object of a package that was never imported cannot exist, so names are enough. A class's module
differs between releases (`pandas.core.frame`, then `pandas`), its package and name do not.
"""

from __future__ import annotations

__all__ = ["is_foreign_instance", "is_foreign_type"]


def is_foreign_type(target: object, *names: str) -> bool:
    """Tell whether `target` is the class of one of these names, such as `pandas.DataFrame`."""
    return isinstance(target, type) and _name(target) in names


def is_foreign_instance(value: object, *names: str) -> bool:
    """Tell whether `value` is of a class of one of these names, or of a subclass."""
    return any(_name(ancestor) in names for ancestor in type(value).__mro__)


def _name(class_: type) -> str:
    package = class_.__module__.partition(".")[0]
    return f"{package}.{class_.__qualname__}"
