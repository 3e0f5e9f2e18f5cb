"""Whence: what is known of a local file or folder, as a value and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.answers.sameness import Change, change
from rootcellar.catalog.drawing.arrow import canonical_json
from rootcellar.catalog.drawing.lettering import readable
from rootcellar.catalog.drawing.lines import html_lines
from rootcellar.catalog.wording import duration, minute, size
from rootcellar.schemas.ref import TYPE_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootcellar.catalog.values import Run, Version
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind

__all__ = ["LocalContent", "Source", "Whence"]

_ALSO = 5
_STALE = "<- stale"
_SHORT = 7
_LONGEST_ARGUMENT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContent:
    """What a local file or folder holds; a folder's digest is that of its manifest.

    Attributes:
        name: The last part of its path.
        digests: By each algorithm it was read with; empty if it was not read.
        members: Number of files of a folder; None for a file.
        note: What was not looked at, and why.
    """

    name: str
    kind: Kind
    size_bytes: int
    digests: tuple[Digest, ...] = ()
    members: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """An input of the run that made it.

    Attributes:
        version: What was read; None where an optional input was absent.
        current: The version that is current now.
        change: From the one to the other.
        is_own: The run wrote the artifact anew itself, as one that updates a state does.
    """

    argument: str
    ordinal: int
    version: Version | None
    current: Version | None
    change: Change
    is_own: bool = False

    @property
    def is_stale(self) -> bool:
        """True if the artifact has other bytes now; False also where that is unknown."""
        return self.change is Change.CHANGED and not self.is_own

    @property
    def standing(self) -> str:
        """What became of the input since, in words."""
        if self.version is None:
            return "was not there"
        if self.current is None or self.current.uid == self.version.uid:
            return "unchanged since"
        if self.is_own:
            return "its own past"
        if self.change is Change.SAME:
            return f"unchanged since (version {self.current.seq} has the same bytes)"
        newer = f"newer: version {self.current.seq} of {minute(self.current.recorded_at)}"
        return f"{newer}, not comparable" if self.change is Change.UNKNOWN else newer


@dataclass(frozen=True, repr=False)
class Whence:
    """The answer to where a local file or folder came from. True if it is known.

    Only equal digests count: another file of the same name and size is another file.

    Attributes:
        asked: What the file holds.
        versions: All versions with that content, newest first.
        current: The version of the newest one's artifact that is current now; perhaps the same.
        run: That made the newest; None if none of ours did.
        sources: What that run read.
        unread: Versions of the same size whose bytes were never read whole; they may be it.
        note: Why there may be more versions.
    """

    asked: LocalContent
    versions: tuple[Version, ...] = ()
    current: Version | None = None
    run: Run | None = None
    sources: tuple[Source, ...] = ()
    unread: int = 0
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.versions)

    @property
    def version(self) -> Version | None:
        """The newest version with this content."""
        return self.versions[0] if self.versions else None

    @property
    def is_current(self) -> bool:
        """True if these are the bytes that the newest version's artifact has now."""
        if self.version is None or self.current is None:
            return False
        return change(self.version, self.current) is Change.SAME

    @property
    def certainty(self) -> str:
        """How sure the answer is, such as `exact match by sha256`."""
        if self.versions:
            by = "manifest" if self.asked.kind == "folder" else self.versions[0].digest.algorithm
            return f"exact match by {by}"
        if not self.asked.digests:
            why = self.asked.note or f"nothing recorded has {size(self.asked.size_bytes)}"
            return f"no match: {why}"
        return "no match: no version has these bytes"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_lines(str(self), marked=_STALE)

    def _lines(self) -> Iterator[str]:
        version = self.version
        if version is None:
            yield f"{readable(self.asked.name)}   {self.certainty}"
        else:
            yield f"{version}   {self.certainty}, {size(version.size_bytes)}"
            yield f"  made   {self._made(version)}"
            if self.run is not None and (told := _circumstances(self.run, self.sources)):
                yield f"  {'with' if self.run.code is None else 'code'}   {told}"
            if now := _now(version, self.current):
                yield f"  now    {now}"
            many = {one.argument for one in self.sources if one.ordinal}
            cells = [
                _source_cells(one, is_one_of_many=one.argument in many) for one in self.sources
            ]
            yield from _aligned("from", cells)
            yield from (f"  also   {_also(one, version)}" for one in self.versions[1:][:_ALSO])
            if len(self.versions) > _ALSO + 1:
                yield f"  also   {len(self.versions) - _ALSO - 1} more"
        for note in self._notes():
            yield f"  note   {note}"

    def _made(self, version: Version) -> str:
        when = minute(version.recorded_at)
        run = self.run
        if run is None:
            return f"{when} seen at {version.uri}, by no run of ours"
        parts = [f"{when} by {run.task or 'an unknown task'}"]
        if run.retries:
            parts.append(f"attempt {run.retries + 1}")
        if run.seconds is not None:
            parts.append(duration(run.seconds))
        if run.host:
            parts.append(f"host {run.host}")
        return ", ".join(parts)

    def _notes(self) -> Iterator[str]:
        if self.versions and self.asked.note:
            yield self.asked.note
        if self.note:
            yield self.note
        if self.unread:
            some = (
                f"{self.unread} versions of this size were"
                if self.unread > 1
                else ("1 version of this size was")
            )
            yield f"{some} never read whole, and cannot be compared"


def _circumstances(run: Run, sources: Sequence[Source]) -> str:
    parts = []
    if run.code is not None:
        commit = run.code.git_commit[:_SHORT] or f"source {run.code.source_digest.short}"
        state = {True: " (with changes)", False: " (clean)", None: ""}[run.code.git_dirty]
        parts.append(f"{commit}{state if run.code.git_commit else ''}")
    if run.environment is not None:
        parts.append(f"Python {run.environment.python}")
        if run.environment.image:
            parts.append(f"image {run.environment.image}")
    staged = {one.argument for one in sources}
    plain = {
        name: value
        for name, value in run.arguments.items()
        if name not in staged and not (isinstance(value, Mapping) and TYPE_TAG in value)
    }
    if plain:
        parts.append(f"args {', '.join(f'{n}={_plain(v)}' for n, v in plain.items())}")
    return readable("   ".join(parts))


def _now(version: Version, current: Version | None) -> str:
    """Return what became of the artifact; nothing if this is its current version."""
    if current is None or current.uid == version.uid:
        return ""
    return f"{change(version, current)}: version {current.seq} of {minute(current.recorded_at)}"


def _plain(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= _LONGEST_ARGUMENT else f"{text[:_LONGEST_ARGUMENT]}…"


def _source_cells(one: Source, *, is_one_of_many: bool) -> tuple[str, ...]:
    name = f"{one.argument}[{one.ordinal}]" if is_one_of_many else one.argument
    what = "nothing" if one.version is None else one.version.artifact
    number = "" if one.version is None else f"v{one.version.seq}"
    return name, what, number, one.standing + (f"   {_STALE}" if one.is_stale else "")


def _aligned(label: str, cells: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for place, row in enumerate(cells):
        line = "  ".join(f"{cell:<{wide}}" for cell, wide in zip(row, widths, strict=True))
        yield f"  {label if place == 0 else '':<4}   {line}".rstrip()


def _also(other: Version, version: Version) -> str:
    what = f"version {other.seq}" if other.artifact == version.artifact else str(other)
    by = f"by {other.task or 'an unknown task'}" if other.run_uid else "seen"
    return f"same bytes as {what}, {by} at {minute(other.recorded_at)}"
