"""Arguments as the catalog keeps them: JSON values, bounded, secrets left out."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from rootcellar.schemas.digest import Digest

__all__ = ["arguments_digest", "recordable"]

_SECRET = re.compile(
    r"(?:^|_)pass$|pass(?:word|wd|phrase)|secret|token(?!i)|credential"
    r"|(?:api|access|private)_?key",
    re.IGNORECASE,
)
_AS_THEY_ARE = {bool, type(None)}
_MAPPING = (dict, Mapping)  # most are dicts, and an abstract class takes ten times as long to ask
_MAX_TEXT = 2_000
_MAX_ITEMS = 1_000
_LARGE = 10**1_000
"""Python neither writes nor reads decimals of more than 4300 digits, and nor does JSON."""


def recordable(value: object, *, name: str = "") -> Any:
    """Return a JSON value that stands for an argument.

    Values under names that look like a secret become `"***"`; long texts and lists are cut and say
    so; what JSON cannot hold becomes its `repr`.
    """
    if name and _is_secret(name):
        return "***"
    kind = type(value)
    if kind is int and -_LARGE < value < _LARGE:  # type: ignore[operator]  # an int
        return value
    if kind in _AS_THEY_ARE or (kind is str and len(value) <= _MAX_TEXT):  # type: ignore[arg-type]  # a str
        return value
    return _recordable(value)


def _recordable(value: Any) -> Any:
    if hasattr(value, "__json__"):
        value = value.__json__()
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # of a scalar of numpy, the number
    if isinstance(value, _MAPPING):
        return {str(key): recordable(part, name=str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [recordable(part) for part in list(value)[:_MAX_ITEMS]]
        return [*items, f"… {len(value)} in all"] if len(value) > _MAX_ITEMS else items
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_LARGE < value < _LARGE else _cut(hex(value))
    return _cut(value if isinstance(value, str) else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… {len(text)} characters"


@functools.lru_cache(maxsize=1_000)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def arguments_digest(plain: Mapping[str, object]) -> Digest:
    """Return the digest of a call's plain arguments, uncut and with secrets in it."""
    try:
        text = _sorted_text(plain)
    except (TypeError, ValueError):
        text = _sorted_text(_writable(plain))
    return Digest.of(text.encode())


def _sorted_text(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, default=_canonical, ensure_ascii=True)


def _writable(value: Any) -> Any:
    """Return a value with names that sort and integers that can be written."""
    if isinstance(value, _MAPPING):
        return {repr(name): _writable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(part) for part in value]
    if isinstance(value, int) and not -_LARGE < value < _LARGE:
        return hex(value)
    return value


def _canonical(value: object) -> Any:
    if hasattr(value, "__json__"):
        return value.__json__()
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    return repr(value)
