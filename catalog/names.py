"""Names in questions: a misspelt one is refused, as an empty answer would look like lost data."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Protocol, get_args

from rootcellar.catalog.canonical import clean_text
from rootcellar.catalog.times import Moment, moment_of
from rootcellar.catalog.values import Direction
from rootcellar.schemas.errors import CatalogError, NotInCatalog
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

__all__ = [
    "TypeName",
    "check_fields",
    "check_type",
    "check_walk",
    "optional_type",
    "refuse_key",
    "since",
    "state",
    "tasks",
    "type_name",
]

_SUGGESTIONS = 5


class _Named(Protocol):
    """An artifact type as its class."""

    type_name: str


TypeName = str | _Named
"""A type by its name, or its class."""


def refuse_key(fields: Collection[str]) -> None:
    """Refuse key fields without a type."""
    if fields:
        raise NotInCatalog("key fields belong to a type", remedy="Name the type first")


def check_type(name: str, known: Collection[str]) -> None:
    """Refuse a type that is not recorded."""
    if name not in known:
        raise NotInCatalog("no such artifact type is recorded", name, remedy=_suggest(name, known))


def check_fields(type_name: str, fields: Iterable[str], known: Collection[str]) -> None:
    """Refuse key fields that the type does not have."""
    for field in fields:
        if field not in known:
            raise NotInCatalog(
                f"its keys have no field {field!r}",
                type_name,
                remedy=_suggest(field, known) if known else "Its key is empty: there is only one",
            )


def tasks(name: str, known: Collection[str]) -> list[str]:
    """Return the tasks that are meant: the one of this name, or all whose last part it is."""
    name = clean_text(name)
    found = [name] if name in known else sorted(one for one in known if one.endswith(f".{name}"))
    if not found:
        raise NotInCatalog(f"no run of a task {name!r} is recorded", remedy=_suggest(name, known))
    return found


def state(name: RunState | str | None) -> RunState | None:
    """Return the state of that name."""
    if name is None:
        return None
    try:
        return RunState(name)
    except ValueError as error:
        raise NotInCatalog(
            f"there is no run state {name!r}", remedy=f"Use {', '.join(RunState)}"
        ) from error


def since(when: Moment | None) -> datetime | None:
    """Return the time from which on something is meant; None if that is any."""
    return None if when is None else moment_of(when)


def optional_type(named: TypeName | None) -> str | None:
    """Return the name of a type, or None for all types."""
    return None if named is None else type_name(named)


def type_name(named: TypeName) -> str:
    """Return the name of a type, which may be given as its class."""
    name = named if isinstance(named, str) else getattr(named, "type_name", None)
    if not isinstance(name, str):
        raise NotInCatalog(
            f"{named!r:.80} names no artifact type", remedy="Pass its name, or its class"
        )
    return name


def check_walk(direction: str, *, max_nodes: int) -> None:
    """Refuse a walk that leads nowhere."""
    if direction not in get_args(Direction):
        raise CatalogError(
            f"there is no direction {direction!r}", remedy=f"Use {' or '.join(get_args(Direction))}"
        )
    if max_nodes < 1:
        raise CatalogError(f"max_nodes cannot be {max_nodes}", remedy="Let it be 1 or more")


def _suggest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=_SUGGESTIONS, cutoff=0.0)
    return f"Known are {', '.join(near)}" if near else "Nothing is recorded yet"
