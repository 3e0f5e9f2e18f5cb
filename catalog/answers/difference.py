"""What is not the same about two versions or two runs, as values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.drawing.lettering import readable
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.values import Version

if TYPE_CHECKING:
    from rootcellar.catalog.values import Run

__all__ = ["Change", "Difference", "How", "Topic", "named_beside", "spelled"]

_COLUMNS = (
    Column("topic", "str"),
    Column("what", "str"),
    Column("after", "str"),
    Column("before", "str"),
    Column("how", "str"),
)
_DIGEST = re.compile(r"[a-z0-9]+:([0-9a-f]{32,})")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST = 80


class Topic(StrEnum):
    """What two things are compared in."""

    CONTENT = "content"
    SIZE = "size"
    ROWS = "rows"
    SCHEMA = "schema"
    CODE = "code"
    ARGUMENTS = "arguments"
    ENVIRONMENT = "environment"
    INPUTS = "inputs"
    OUTPUTS = "outputs"


class How(StrEnum):
    """In what way something is not the same."""

    CHANGED = "changed"
    ADDED = "added"
    MISSING = "missing"
    OTHER_ARTIFACT = "other artifact"
    OTHER_CONTENT = "other content"
    OTHER_ORDER = "other order"
    UNKNOWN = "unknown content"  # bytes that were never read whole, or digests of two algorithms


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same.

    Attributes:
        what: Which one: a path in the arguments, a package, an argument with its position.
        before: A JSON value; None where there was none.
        after: A JSON value; None where there is none.
    """

    topic: Topic
    what: str
    before: Any
    after: Any
    how: How = How.CHANGED

    def __str__(self) -> str:
        if self.how is How.OTHER_ORDER:
            return f"{self.what}: the same, in another order"
        told = f"{self.what} " if self.what else ""
        if self.how is How.ADDED:
            return f"{told}{spelled(self.after)}, was not there"
        if self.how is How.MISSING:
            return f"{told}not there, was {spelled(self.before)}"
        marked = self.how not in {How.CHANGED, How.OTHER_ARTIFACT}
        is_plain = (self.topic, self.how) == (Topic.CONTENT, How.OTHER_CONTENT)
        mark = f": {self.how}" if marked and not is_plain else ""
        unit = " B" if self.topic is Topic.SIZE else ""
        return f"{told}{spelled(self.after)}{unit}, was {self._was()}{unit}{mark}"

    def _was(self) -> str:
        """Return what was before, of one artifact only which version."""
        before = spelled(self.before)
        if self.how not in {How.OTHER_CONTENT, How.UNKNOWN} or self.topic is Topic.CONTENT:
            return before
        artifact, word, number = before.rpartition(" version ")
        is_same = str(self.after).startswith(f"{artifact}{word}")
        return f"version {number}" if word and is_same else before


@dataclass(frozen=True, kw_only=True, repr=False)
class Difference:
    """Two versions or two runs side by side.

    Attributes:
        equal: Topics that were compared and are the same.
        unknown: Topics that cannot be compared, because one side's record says nothing of them.
    """

    before: Version | Run
    after: Version | Run
    changes: tuple[Change, ...]
    equal: tuple[Topic, ...]
    unknown: tuple[Topic, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing that is recorded differs."""
        return not self.changes

    def of(self, topic: Topic | str) -> tuple[Change, ...]:
        """Return the changes of one topic."""
        return tuple(change for change in self.changes if change.topic == topic)

    def table(self) -> Table[Change]:
        """Return the changes as a table; its note says what is equal and what is not recorded."""
        rows = [
            (
                one.topic.value,
                one.what,
                None if one.how is How.MISSING else spelled(one.after),
                None if one.how is How.ADDED else spelled(one.before),
                one.how.value,
            )
            for one in self.changes
        ]
        return Table(_COLUMNS, rows, self.changes, self._note)

    @property
    def _note(self) -> str:
        parts = [f"equal: {', '.join(self.equal)}"] if self.equal else []
        if self.unknown:
            parts.append(f"not recorded: {', '.join(self.unknown)}")
        return "; ".join(parts)

    def __str__(self) -> str:
        wide = max((len(change.topic) for change in self.changes), default=0)
        lines = [_heading(self.after, self.before, is_equal=self.is_equal)]
        told = None
        for change in self.changes:
            topic = "" if change.topic is told else change.topic.value
            told = change.topic
            lines.append(f"  {topic:<{wide}}  {readable(str(change))}")
        lines += [f"  ({self._note})"] if self._note else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def spelled(value: Any) -> str:
    """Return a JSON value in short: digests and commits by their first digits."""
    if not isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif digest := _DIGEST.fullmatch(value):
        text = digest[1][:12]
    elif _COMMIT.fullmatch(value):
        text = value[:7]
    else:
        text = value
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _heading(after: Version | Run, before: Version | Run, *, is_equal: bool) -> str:
    if isinstance(after, Version) and isinstance(before, Version):
        one, other = str(after), named_beside(before, after)
    else:
        one, other = (f"run {run.uid}" for run in (after, before))
    if is_equal:
        return f"{one} differs from {other} in nothing that is recorded"
    return f"{one} differs from {other}"


def named_beside(other: Version, one: Version) -> str:
    """Return a version's name beside another's: of one artifact, its number will do."""
    return f"version {other.seq}" if other.artifact == one.artifact else str(other)
