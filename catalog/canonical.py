"""Canonical JSON and text that every database takes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "canonical_text",
    "clean_json",
    "clean_text",
    "digest_of",
    "key_text",
    "short_digest",
    "stored_text",
    "whole",
]

_SHORT_BYTES = 16


def clean_text(text: str) -> str:
    r"""Return `text` with NUL and lone surrogates written out as `\x00` and `\udc80`.

    Postgres refuses both, and tracebacks and file names carry them.
    """
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    elif type(text) is not str:
        text = str.__str__(text)  # drivers take the class itself by a shorter way
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def whole(count: int | None) -> int | None:
    """Return a count as a plain integer: SQLite would store numpy's as bytes."""
    return None if count is None else int(count)


def clean_json(value: Any) -> Any:
    """Return the JSON value with clean text; NaN and infinities become their names.

    What is no JSON value at all is recorded as its text: a strange argument must not cost a run
    its row.
    """
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind is int or kind is bool or value is None:
        return value
    if kind is dict:
        return {clean_text(str(name)): clean_json(item) for name, item in value.items()}
    return _clean_other(value)


def _clean_other(value: Any) -> Any:
    match value:
        case str():
            return clean_text(str(value))
        case bool() | int() | None:
            return value
        case float():
            return float(value) if math.isfinite(value) else str(float(value))
        case Mapping():
            return {clean_text(str(name)): clean_json(item) for name, item in value.items()}
        case list() | tuple():
            return [clean_json(item) for item in value]
        case _:
            plain = _plain(value)
            return clean_text(str(value)) if plain is None else clean_json(plain)


def _plain(value: Any) -> Any:
    """Return the number that a scalar of numpy or its kin holds; None if it is no such."""
    if getattr(value, "ndim", None) != 0 or not hasattr(value, "item"):
        return None
    plain = value.item()
    # A wide float has no plain counterpart.
    return plain if isinstance(plain, bool | int | float | str) else None


def key_text(key: Mapping[str, Any]) -> str:
    """Return a key as JSON text, its fields in the order they were given."""
    flat = _flat(key, list(key), encode_basestring)
    return _encode_in_order(clean_json(key)) if flat is None else flat


def digest_of(value: Any) -> Digest:
    """Return the digest of a JSON value; the order of mapping fields does not count."""
    return Digest.of(_sorted_text(value))


def canonical_text(value: Any) -> str:
    """Return clean JSON as text that is equal for equal values, as SQLite stores it."""
    return _encode(value)


def stored_text(value: Any) -> str:
    """Return a JSON value as `canonical_text` of it, cleaned."""
    if type(value) is dict and all(type(name) is str for name in value):
        flat = _flat(value, sorted(value), encode_basestring)
        if flat is not None:
            return flat
    return _encode(clean_json(value))


def short_digest(value: Any) -> bytes:
    """Return 16 bytes that stand for a JSON value in a unique index.

    Postgres cannot index texts beyond 2.7 kB, which a URI may exceed.
    """
    return hashlib.sha256(_sorted_text(value)).digest()[:_SHORT_BYTES]


# Made once: `json.dumps` makes an encoder for each call that differs from its defaults.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_encode_in_order = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_encode_ascii = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _sorted_text(value: Any) -> bytes:
    if type(value) is str:
        return encode_basestring_ascii(clean_text(value)).encode()
    text = None
    if type(value) is dict and all(type(name) is str for name in value):
        text = _flat(value, sorted(value), encode_basestring_ascii)
    return (_encode_ascii(clean_json(value)) if text is None else text).encode()


def _flat(
    value: Mapping[str, Any], names: Sequence[str], quote: Callable[[str], str]
) -> str | None:
    """Return JSON text of plain texts and integers, as keys are; None for anything else.

    At this size an encoder takes several times as long to set up as to run.
    """
    parts = []
    for name in names:
        item = value[name]
        kind = type(item)
        if type(name) is not str or clean_text(name) != name:
            return None
        if kind is str:
            parts.append(f"{quote(name)}:{quote(clean_text(item))}")
        elif kind is int:
            parts.append(f"{quote(name)}:{item}")
        else:
            return None
    return f"{{{','.join(parts)}}}"
