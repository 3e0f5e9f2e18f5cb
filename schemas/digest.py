"""Digest: the identity of bytes, always with its algorithm."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Self

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import GetCoreSchemaHandler

__all__ = ["Digest"]

_UNREAD = "unread"
_UNREAD_MARK = f"{_UNREAD}:"
_HEX_LENGTHS = {"sha256": 64, "blake3": 64, _UNREAD: 64}
_DIGITS = "0123456789abcdef"


class Digest(str):
    """A string such as `sha256:9f86d0…`; equal digests mean equal bytes.

    Raises:
        ValueError: Not `algorithm:hex`, an unknown algorithm or a wrong length.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class docstring says it
        algorithm, _, digits = text.partition(":")
        if _HEX_LENGTHS.get(algorithm) != len(digits) or digits.strip(_DIGITS):
            msg = f"not a digest: {text[:80]!r}; expected 'sha256:' and 64 hexadecimal digits"
            raise ValueError(msg)
        return super().__new__(cls, text)

    @classmethod
    def of(cls, *chunks: bytes) -> Self:
        """Return the sha256 digest of these bytes, one after another."""
        return cls.of_stream(chunks)

    @classmethod
    def of_stream(cls, chunks: Iterable[bytes]) -> Self:
        """Return the sha256 digest of a stream of bytes, which is consumed."""
        state = hashlib.sha256()
        for chunk in chunks:
            state.update(chunk)
        return cls(f"sha256:{state.hexdigest()}")

    @classmethod
    def unread(cls, uri: str, token: str) -> Self:
        """Return what stands for the digest of bytes that were never read whole.

        Equal for one object in one state, so that equal ones still mean equal bytes; another
        object with the same bytes has another.

        Args:
            uri: Of the object.
            token: Of its state, such as `Pin.token`; something unique where a store gives none.
        """
        state = hashlib.sha256(f"{uri}\n{token}".encode())
        return cls(f"{_UNREAD}:{state.hexdigest()}")

    @property
    def is_unread(self) -> bool:
        """Whether it is of a state in a store, not of bytes."""
        return self.startswith(_UNREAD_MARK)

    @property
    def algorithm(self) -> str:
        """The part before the colon."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The part after the colon."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """Twelve digits: enough for people, never for programs."""
        return self.hex[:12]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
