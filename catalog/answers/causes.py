"""Why one version differs from another, as a tree of causes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rootcellar.catalog.answers.difference import named_beside
from rootcellar.catalog.drawing.lettering import readable
from rootcellar.catalog.drawing.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootcellar.catalog.answers.difference import Change
    from rootcellar.catalog.drawing.graph import Graph
    from rootcellar.catalog.values import Version

__all__ = ["Cause", "CauseKind", "Why"]

_COLUMNS = (
    Column("depth", "int"),
    Column("cause", "str"),
    Column("what", "str"),
    Column("is_root", "bool"),
    Column("task", "str"),
    Column("artifact", "str"),
    Column("seq", "int"),
    Column("than_seq", "int"),
    Column("version", "str"),
    Column("than", "str"),
)
_LINES = 60
_PHRASES = 3
_INDENT = 2


class CauseKind(StrEnum):
    """What kind of thing made the difference."""

    CODE = "code"
    ARGUMENTS = "arguments"
    ENVIRONMENT = "environment"
    INPUTS = "inputs"  # other artifacts, or more, or fewer
    DATA = "data"  # the same artifact with other content
    NONDETERMINISM = "nondeterminism"  # or an input that is not recorded


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Cause:
    """One reason why a version differs; compared by identity, as trees may be deep.

    Attributes:
        text: What is not the same, for people.
        phrase: The same as a clause of a sentence, with the task or artifact concerned.
        version: The version that differs for this reason; of `DATA`, the input.
        than: What it is compared with.
        changes: What differs, one by one.
        causes: Of `DATA`: why that input differs.
        note: Why nothing stands below: `told elsewhere` or `not examined`; else empty.
    """

    kind: CauseKind
    text: str
    phrase: str
    version: Version
    than: Version
    changes: tuple[Change, ...] = ()
    causes: tuple[Cause, ...] = ()
    note: str = ""

    @property
    def is_root(self) -> bool:
        """Whether nothing that is recorded lies behind it."""
        return not self.causes and not self.note

    def __repr__(self) -> str:
        return f"<Cause {self.kind}: {self.text}>"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Why:
    """Why `version` differs from `than`, as far as records tell.

    Attributes:
        is_same: Whether their content is the same; None where that is not known.
        causes: The tree; its leaves are the root causes.
        columns: Of the two, if they are tables, the columns that differ.
        examined: How many pairs of versions were compared.
        picture: What the graph shows.
    """

    version: Version
    than: Version
    is_same: bool | None
    causes: tuple[Cause, ...]
    columns: tuple[Change, ...] = ()
    examined: int
    picture: Graph

    @property
    def roots(self) -> tuple[Cause, ...]:
        """The causes behind which there is nothing more, each once, nearest first."""
        found = [(depth, cause) for depth, cause in self._walk() if cause.is_root]
        return tuple(cause for _, cause in sorted(found, key=lambda one: one[0]))

    @property
    def not_examined(self) -> tuple[Cause, ...]:
        """The inputs that differ and whose reasons were not looked for, because of the limit."""
        return tuple(cause for _, cause in self._walk() if cause.note == "not examined")

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        than = named_beside(self.than, self.version)
        if self.version.uid == self.than.uid:
            return f"{self.version} is that version itself"
        if self.is_same:
            return f"{self.version} has the same content as {than}"
        verb = "differs from" if self.is_same is False else "may differ from"
        phrases = _phrases(self.roots)
        if not phrases:
            return f"{self.version} {verb} {than}; why was not examined"
        more = len(phrases) - _PHRASES
        told = "; ".join(phrases[:_PHRASES]) + (f"; and {more} more" if more > 0 else "")
        return f"{self.version} {verb} {than} because {told}"

    def table(self) -> Table[Cause]:
        """Return the tree as a table, each cause once, with its depth."""
        walked = list(self._walk())
        rows = [
            (
                depth,
                one.kind.value,
                f"{one.text} ({one.note})" if one.note else one.text,
                one.is_root,
                one.version.task,
                one.version.artifact,
                one.version.seq,
                one.than.seq,
                one.version.uid,
                one.than.uid,
            )
            for depth, one in walked
        ]
        return Table(_COLUMNS, rows, [one for _, one in walked], "; ".join(self._ending))

    def graph(self) -> Graph:
        """Return the picture of what was compared: what differs is marked `changed`."""
        return self.picture

    @property
    def _limits(self) -> str:
        """What the answer does not cover."""
        left = self.not_examined
        where = ", ".join(dict.fromkeys(cause.version.artifact for cause in left[:_PHRASES]))
        more = ", …" if len(left) > _PHRASES else ""
        told = f"not examined: {len(left)}" + (f" ({where}{more})" if left else "")
        return f"{told}; unrecorded inputs cannot be excluded"

    @property
    def _shape(self) -> str:
        """Which columns differ; empty if none do."""
        rest = len(self.columns) - _PHRASES
        named = "; ".join(str(one) for one in self.columns[:_PHRASES])
        return f"other columns: {named}{f'; and {rest} more' if rest > 0 else ''}" if named else ""

    @property
    def _ending(self) -> list[str]:
        return [line for line in (self._shape, self._limits) if line]

    def _walk(self) -> Iterator[tuple[int, Cause]]:
        """Yield every cause with its depth, as the tree reads; without recursion."""
        stack = [(0, cause) for cause in reversed(self.causes)]
        while stack:
            depth, cause = stack.pop()
            yield depth, cause
            stack += [(depth + 1, below) for below in reversed(cause.causes)]

    def __str__(self) -> str:
        if self.is_same:
            return f"{self.sentence}."
        verb = "differs from" if self.is_same is False else "may differ from"
        lines = [f"{self.version} {verb} {named_beside(self.than, self.version)} because"]
        walked = list(self._walk())
        wide = max((len(cause.kind) for _, cause in walked[:_LINES]), default=0)
        for depth, cause in walked[:_LINES]:
            indent = " " * (_INDENT + depth * (wide + _INDENT))
            note = f" ({cause.note})" if cause.note else ""
            lines.append(f"{indent}{cause.kind.upper():<{wide}}  {readable(cause.text)}{note}")
        if len(walked) > _LINES:
            lines.append(f"  … {len(walked) - _LINES} more causes; see table()")
        return "\n".join([*lines, *(f"  {readable(line)}" for line in self._ending)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _phrases(roots: Sequence[Cause]) -> list[str]:
    """Return the clauses of a sentence; one environment that many runs had is told once."""
    told: dict[object, str] = {}
    for root in roots:
        key = root.changes if root.kind is CauseKind.ENVIRONMENT else root.phrase
        told.setdefault(repr(key), root.phrase)
    return list(told.values())
