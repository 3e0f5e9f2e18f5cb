"""Column types that mean the same in SQLite and Postgres."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from rootcellar.catalog.canonical import clean_json, clean_text, stored_text

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["BigId", "CleanJson", "CleanText", "UtcTime", "moment", "utc_time"]

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""Row ids. Only a column of type INTEGER is SQLite's row id and numbers itself."""

_TIME_WIDTH = 32


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times with microseconds.

    SQLite keeps them as text of one width, so that they sort.

    Raises:
        ValueError: A time without a zone is written.
    """

    impl = String(_TIME_WIDTH)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type this database stores."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(_TIME_WIDTH))

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what turns an aware time into what is stored."""
        return _utc_or_null if dialect.name == "postgresql" else _utc_text_or_null

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Turn what was stored into an aware UTC time."""
        return None if value is None else moment(value)


def _utc_or_null(time: datetime | None) -> datetime | None:
    return None if time is None else utc_time(time)


def _utc_text_or_null(time: datetime | None) -> str | None:
    return None if time is None else utc_time(time).isoformat(timespec="microseconds")


def utc_time(time: datetime) -> datetime:
    """Return an aware time in UTC.

    Raises:
        ValueError: It has no zone.
    """
    if time.tzinfo is None:
        msg = f"a time without a zone: {time.isoformat()}; use datetime.now(UTC)"
        raise ValueError(msg)
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def moment(stored: Any) -> datetime:
    """Return the aware UTC time that is stored: as text in SQLite, as itself in Postgres."""
    time: datetime = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return time.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text without NUL or lone surrogates, whatever is written."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002  # SQLAlchemy's signature
        """Return what writes out what databases refuse."""
        return _clean_or_null


def _clean_or_null(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


class CleanJson(TypeDecorator[Any]):
    """A JSON value: JSONB in Postgres, text in SQLite; None is NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type this database stores."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(JSON(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002  # SQLAlchemy's signature
        """Write out what databases refuse."""
        return clean_json(value)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what makes of a value what is stored; for SQLite in one pass."""
        return _text_or_null if dialect.name == "sqlite" else super().bind_processor(dialect)


def _text_or_null(value: Any) -> str | None:
    return None if value is None else stored_text(value)
