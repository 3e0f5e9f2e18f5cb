"""Comparing two versions, or two runs, topic by topic. Nothing here asks the database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.answers.difference import Change, Difference, How, Topic
from rootcellar.catalog.answers.plain import is_partial, plain_arguments
from rootcellar.catalog.drawing.arrow import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rootcellar.catalog.answers.made import Made, Read
    from rootcellar.catalog.values import Version

__all__ = ["Compared", "Pair", "compare_made", "compare_runs", "compare_versions", "has_same_bytes"]


@dataclass(frozen=True, slots=True)
class Pair:
    """What stood at one place among the inputs of two runs.

    Attributes:
        place: The argument, of a fan-in with the position.
        how: None if it is the same.
    """

    place: str
    before: Version | None
    after: Version | None
    how: How | None

    def change(self, topic: Topic) -> Change | None:
        """Return the pair as a change; None if it is the same."""
        if self.how is None:
            return None
        before, after = (None if one is None else str(one) for one in (self.before, self.after))
        return Change(topic, self.place, before, after, self.how)


@dataclass(frozen=True, slots=True)
class Compared:
    """One topic: what differs in it. `is_known` is False if a side's record says nothing of it."""

    topic: Topic
    changes: tuple[Change, ...]
    is_known: bool = True


def has_same_bytes(one: Version, other: Version) -> bool | None:
    """Tell whether two versions hold equal bytes; None if that cannot be told from the record."""
    if one.uid == other.uid or (one.digest, one.kind) == (other.digest, other.kind):
        return True
    if one.digest.is_unread or one.digest.algorithm != other.digest.algorithm:
        return None
    return None if other.digest.is_unread else False


def compare_versions(
    before: Version,
    after: Version,
    made: tuple[Made | None, Made | None],
    *,
    columns: tuple[Change, ...] = (),
) -> Difference:
    """Return how two versions differ, and how the runs that made them do.

    Args:
        columns: In which the two differ, if they are tables and both are known.
    """
    same = has_same_bytes(before, after)
    how = How.UNKNOWN if same is None else How.OTHER_CONTENT
    content = Change(Topic.CONTENT, "", str(before.digest), str(after.digest), how)
    topics = [
        Compared(Topic.CONTENT, () if same else (content,)),
        _plain(Topic.SIZE, before.size_bytes, after.size_bytes),
        *_if_any(Topic.ROWS, before.row_count, after.row_count),
        *(
            [Compared(Topic.SCHEMA, columns)]
            if columns
            else _if_any(Topic.SCHEMA, before.schema_fingerprint, after.schema_fingerprint)
        ),
        *compare_made(*made),
    ]
    return _difference(before, after, topics)


def compare_runs(before: Made, after: Made) -> Difference:
    """Return how two runs differ, in what went in and in what came out."""
    outputs = _paired(Topic.OUTPUTS, match(before.writes, after.writes))
    return _difference(before.run, after.run, [*compare_made(before, after), outputs])


def compare_made(before: Made | None, after: Made | None) -> list[Compared]:
    """Return how two productions differ: code, arguments, environment, inputs."""
    if before is None or after is None:
        topics = (Topic.CODE, Topic.ARGUMENTS, Topic.ENVIRONMENT, Topic.INPUTS)
        return [Compared(topic, (), is_known=False) for topic in topics]
    return [
        _code(before, after),
        _arguments(before, after),
        _environment(before, after),
        _paired(Topic.INPUTS, match(before.reads, after.reads)),
    ]


def match(before: Sequence[Read], after: Sequence[Read]) -> list[Pair]:
    """Return the inputs, or outputs, of two runs beside each other, argument by argument.

    Within a fan-in the same artifacts stand beside each other, whatever their positions.
    """
    old, new = _by_argument(before), _by_argument(after)
    pairs: list[Pair] = []
    for argument in sorted(old.keys() | new.keys()):
        pairs += _match_one(argument, old.get(argument, []), new.get(argument, []))
    return pairs


def _match_one(
    argument: str, before: Sequence[Version | None], after: Sequence[Version | None]
) -> Iterator[Pair]:
    is_single = len(before) <= 1 and len(after) <= 1
    waiting: dict[str, list[Version]] = defaultdict(list)
    for one in before:
        if one is not None:
            waiting[one.artifact].append(one)
    added: list[tuple[str, Version]] = []
    for position, one in enumerate(after):
        place = argument if is_single else f"{argument}[{position}]"
        if one is None:
            continue
        if waiting[one.artifact]:
            earlier = waiting[one.artifact].pop(0)
            yield Pair(place, earlier, one, _how(earlier, one))
        else:
            added.append((place, one))
    removed = [one for many in waiting.values() for one in many]
    if is_single and added and removed:
        yield Pair(argument, removed[0], added[0][1], How.OTHER_ARTIFACT)
        return
    yield from (Pair(place, None, one, How.ADDED) for place, one in added)
    yield from (Pair(argument, one, None, How.MISSING) for one in removed)
    names = [[one and one.artifact for one in many] for many in (before, after)]
    if not added and not removed and names[0] != names[1]:
        yield Pair(argument, None, None, How.OTHER_ORDER)


def _how(before: Version, after: Version) -> How | None:
    same = has_same_bytes(before, after)
    return How.UNKNOWN if same is None else None if same else How.OTHER_CONTENT


def _by_argument(reads: Sequence[Read]) -> dict[str, list[Version | None]]:
    found: dict[str, list[Version | None]] = defaultdict(list)
    for one in reads:
        found[one.argument].append(one.version)
    return found


def _code(before: Made, after: Made) -> Compared:
    tasks = before.run.task, after.run.task
    # A run of which only the end is recorded has none.
    changes = _plain(Topic.CODE, *tasks, "task").changes if all(tasks) else ()
    old, new = before.run.code, after.run.code
    if old is None or new is None:
        return Compared(Topic.CODE, changes, is_known=False)
    facts: list[tuple[str, Any, Any]] = [
        ("function", old.qualname, new.qualname),
        ("source", str(old.source_digest), str(new.source_digest)),
    ]
    if old.git_commit and new.git_commit:
        facts.append(("commit", old.git_commit, new.git_commit))
    if old.git_dirty is not None and new.git_dirty is not None:
        facts.append(("dirty", old.git_dirty, new.git_dirty))
    found = (Change(Topic.CODE, what, a, b) for what, a, b in facts if a != b)
    return Compared(Topic.CODE, (*changes, *found))


def _arguments(before: Made, after: Made) -> Compared:
    """Compare what is no file: files are inputs. What was not recorded whole may always differ."""
    staged = before.staged | after.staged
    old, new = (plain_arguments(made.run.arguments, staged) for made in (before, after))
    is_known = not (is_partial(old) or is_partial(new))
    return Compared(Topic.ARGUMENTS, tuple(_tree("", old, new)), is_known=is_known)


def _environment(before: Made, after: Made) -> Compared:
    old, new = before.run.environment, after.run.environment
    if old is None or new is None:
        return Compared(Topic.ENVIRONMENT, (), is_known=False)
    facts = [
        ("python", old.python, new.python),
        ("platform", old.platform, new.platform),
        ("image", old.image, new.image),
    ]
    changes = [Change(Topic.ENVIRONMENT, what, a, b) for what, a, b in facts if a != b]
    changes += _tree("", old.packages, new.packages, Topic.ENVIRONMENT)
    return Compared(Topic.ENVIRONMENT, tuple(changes))


def _tree(path: str, before: Any, after: Any, topic: Topic = Topic.ARGUMENTS) -> Iterator[Change]:
    """Yield the leaves in which two JSON values differ; 1, 1.0 and true are three values."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _branches(path, before, after, topic)
    elif isinstance(before, list) and isinstance(after, list):
        old, new = ({f"[{n}]": one for n, one in enumerate(many)} for many in (before, after))
        yield from _branches(path, old, new, topic)
    elif canonical_json(before) != canonical_json(after):
        yield Change(topic, path, before, after)


def _branches(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], topic: Topic
) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *after]):
        below = f"{path}.{name}" if path and not name.startswith("[") else f"{path}{name}"
        if name not in before:
            yield Change(topic, below, None, after[name], How.ADDED)
        elif name not in after:
            yield Change(topic, below, before[name], None, How.MISSING)
        else:
            yield from _tree(below, before[name], after[name], topic)


def _paired(topic: Topic, pairs: Sequence[Pair]) -> Compared:
    changes = (pair.change(topic) for pair in pairs)
    return Compared(topic, tuple(change for change in changes if change is not None))


def _plain(topic: Topic, before: Any, after: Any, what: str = "") -> Compared:
    return Compared(topic, () if before == after else (Change(topic, what, before, after),))


def _if_any(topic: Topic, before: Any, after: Any) -> list[Compared]:
    """Compare what some formats have; nothing if neither side has it."""
    if before is None and after is None:
        return []
    if before is None or after is None:
        return [Compared(topic, (), is_known=False)]
    return [_plain(topic, before, after)]


def _difference(before: Any, after: Any, topics: Sequence[Compared]) -> Difference:
    return Difference(
        before=before,
        after=after,
        changes=tuple(change for one in topics for change in one.changes),
        equal=tuple(one.topic for one in topics if one.is_known and not one.changes),
        unknown=tuple(one.topic for one in topics if not one.is_known and not one.changes),
    )
