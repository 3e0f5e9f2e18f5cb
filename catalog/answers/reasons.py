"""From two versions to the reasons why they differ: pair by pair, nearest first, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rootcellar.catalog.answers.causes import Cause, CauseKind, Why
from rootcellar.catalog.answers.columns_compared import schema_changes, schemas_of
from rootcellar.catalog.answers.comparison import compare_made, has_same_bytes, match
from rootcellar.catalog.answers.difference import Change, How, Topic, named_beside
from rootcellar.catalog.answers.evidence import Examined, OtherInput, draw
from rootcellar.catalog.answers.made import Made, made_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.answers.comparison import Compared
    from rootcellar.catalog.values import Owner, Version
    from rootcellar.schemas.columns import Column

__all__ = ["reasons"]

_TOLD = 3
_WEAK = {"commit", "dirty"}
"""Evidence that something in the repository changed, and not that the body or what it calls did."""

_DATA = {How.OTHER_CONTENT, How.UNKNOWN}

_PairKey = tuple[str, str]


@dataclass(slots=True)
class _Search:
    """What has been compared so far, in the order of distance.

    Attributes:
        told_by: Under which pair each pair stands in the tree.
        schemas: Columns by fingerprint, of pairs that differ in them.
    """

    found: dict[_PairKey, Examined]
    told_by: dict[_PairKey, _PairKey | None]
    schemas: Mapping[str, Sequence[Column]] = field(default_factory=dict)


def reasons(
    connection: Connection, owner: Owner, *, after: Version, before: Version, max_nodes: int
) -> Why:
    """Return why two versions differ, down to the root causes.

    Args:
        max_nodes: Compare so many pairs of versions at most.
    """
    is_same = has_same_bytes(before, after)
    search = _Search({}, {_key(after, before): None})
    if not is_same:
        _search(connection, owner, search, start=(after, before), max_nodes=max_nodes)
    others = [(one.before, one.after) for node in search.found.values() for one in node.data]
    search.schemas = schemas_of(connection, [(before, after), *others])
    trees: dict[_PairKey, tuple[Cause, ...]] = {}
    # What lies behind a pair was found after it.
    for key in reversed(search.found):
        trees[key] = tuple(_tree(key, search, trees))
    start = search.found.get(_key(after, before))
    causes = trees.get(_key(after, before), ())
    if start is not None and start.foreign:
        causes = (_foreign(start),)
    return Why(
        version=after,
        than=before,
        is_same=is_same,
        causes=causes,
        columns=schema_changes(before, after, search.schemas),
        examined=len(search.found),
        picture=draw(after, list(search.found.values())),
    )


def _search(
    connection: Connection,
    owner: Owner,
    search: _Search,
    *,
    start: tuple[Version, Version],
    max_nodes: int,
) -> None:
    level = [start]
    while level:
        level = level[: max_nodes - len(search.found)]
        uids = {one.run_uid for pair in level for one in pair if one.run_uid}
        made = made_by(connection, owner, uids)
        following: list[tuple[Version, Version]] = []
        for after, before in level:
            key = _key(after, before)
            node = search.found[key] = _examine(after, before, made)
            for other in node.data:
                below = _key(other.after, other.before)
                if below not in search.told_by:
                    search.told_by[below] = key
                    following.append((other.after, other.before))
        level = following


def _examine(after: Version, before: Version, made: Mapping[str, Made]) -> Examined:
    new, old = made.get(after.run_uid), made.get(before.run_uid)
    node = Examined(after=after, before=before, made=new)
    if new is None or old is None or {"push", "pull"} & {new.run.kind, old.run.kind}:
        return replace(node, foreign=_origins(new, old))
    data = tuple(
        OtherInput(pair.place, pair.before, pair.after, pair.how)
        for pair in match(old.reads, new.reads)
        if pair.before is not None and pair.after is not None and pair.how in _DATA
    )
    topics = compare_made(old, new)
    found = {one.topic: one.changes for one in topics}
    found[Topic.INPUTS] = tuple(one for one in found[Topic.INPUTS] if one.how not in _DATA)
    own = tuple(_own(node, new.run.task, found))
    if not own and not data:
        own = (_unexplained(node, topics, found[Topic.CODE], is_one=new.run.uid == old.run.uid),)
    return replace(node, own=own, data=data)


def _own(node: Examined, task: str, found: Mapping[Topic, tuple[Change, ...]]) -> Iterator[Cause]:
    """Yield what differs between the two runs themselves."""
    name = _short(task)
    code = found[Topic.CODE]
    if any(change.what not in _WEAK for change in code):
        text = f"{name} changed: {_listed(code)}"
        yield _cause(node, CauseKind.CODE, text, f"the code of {name} changed", code)
    for topic, kind, verb in (
        (Topic.ARGUMENTS, CauseKind.ARGUMENTS, "was called with"),
        (Topic.ENVIRONMENT, CauseKind.ENVIRONMENT, "ran with"),
        (Topic.INPUTS, CauseKind.INPUTS, "read"),
    ):
        if changes := found[topic]:
            phrase = f"{name} {verb} {_in_short(changes)}"
            yield _cause(node, kind, _listed(changes), phrase, changes)


def _unexplained(
    node: Examined, topics: Sequence[Compared], code: tuple[Change, ...], *, is_one: bool
) -> Cause:
    """Return what is left if nothing that decides differs."""
    name = _short(node.made.run.task if node.made else "")
    if is_one:
        text = "both were made by one run"
        return _cause(node, CauseKind.INPUTS, text, text, ())
    if code:
        text = f"{_listed(code)}, though {name} and what it calls in its package are the same"
        phrase = f"something else than {name} changed in its repository"
        return _cause(node, CauseKind.CODE, text, phrase, code)
    unknown = [one.topic.value for one in topics if not one.is_known]
    lacking = f"; its {' and '.join(unknown)} cannot be compared" if unknown else ""
    text = f"nothing recorded differs: {name} is not deterministic, or read what is not recorded"
    phrase = f"{name} gave other bytes although nothing recorded differs"
    return _cause(node, CauseKind.NONDETERMINISM, f"{text}{lacking}", f"{phrase}{lacking}", ())


def _tree(
    key: _PairKey, search: _Search, trees: Mapping[_PairKey, tuple[Cause, ...]]
) -> Iterator[Cause]:
    """Yield the causes of a pair, with those of its inputs below."""
    node = search.found[key]
    yield from node.own
    told: set[_PairKey] = set()
    for other in node.data:
        below = _key(other.after, other.before)
        found = search.found.get(below)
        is_first = search.told_by.get(below) == key and below not in told
        told.add(below)
        columns = schema_changes(other.before, other.after, search.schemas)
        if found is None:
            yield _data(other, columns, note="not examined")
        elif not is_first:
            yield _data(other, columns, note="told elsewhere")
        else:
            yield _data(other, columns, causes=trees[below], foreign=found.foreign)


def _data(
    other: OtherInput,
    columns: tuple[Change, ...],
    *,
    causes: tuple[Cause, ...] = (),
    note: str = "",
    foreign: str = "",
) -> Cause:
    after = other.after
    doubt = "; its bytes are not known" if other.how is How.UNKNOWN else ""
    tail = f"; {foreign}" if foreign else ""
    shape = f"; other columns: {_listed(columns)}" if columns else ""
    beside = named_beside(other.before, after)
    verb = "may have other content" if doubt else "has other content"
    change = Change(Topic.INPUTS, other.place, str(other.before), str(after), other.how)
    return Cause(
        kind=CauseKind.DATA,
        text=f"{other.place}: {after}, was {beside}{doubt}{shape}{tail}",
        phrase=f"{after.artifact} {verb}" + (f", {foreign}" if foreign else ""),
        version=after,
        than=other.before,
        changes=(change, *columns),
        causes=causes,
        note=note,
    )


def _foreign(node: Examined) -> Cause:
    """Return the one cause of a pair that no run of a task explains."""
    return _cause(node, CauseKind.DATA, node.foreign, node.foreign, ())


def _origins(new: Made | None, old: Made | None) -> str:
    one, other = _origin(new), _origin(old)
    return one if one == other else f"{one}, was {other}"


def _origin(made: Made | None) -> str:
    if made is None:
        return "seen in its store, made by no run of ours"
    return "pushed by hand" if made.run.kind == "push" else f"made by {_short(made.run.task)}"


def _cause(
    node: Examined, kind: CauseKind, text: str, phrase: str, changes: tuple[Change, ...]
) -> Cause:
    return Cause(
        kind=kind,
        text=text,
        phrase=phrase,
        version=node.after,
        than=node.before,
        changes=changes,
    )


def _listed(changes: Sequence[Change]) -> str:
    told = "; ".join(str(change) for change in changes[:_TOLD])
    more = len(changes) - _TOLD
    return f"{told}; and {more} more" if more > 0 else told


def _in_short(changes: Sequence[Change]) -> str:
    """Return one change whole, and of several the names."""
    if len(changes) == 1:
        return str(changes[0])
    names = [change.what for change in changes]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"other {', '.join(names[:_TOLD])}{more}"


def _short(task: str) -> str:
    return task.rpartition(".")[2] or "an unknown task"


def _key(after: Version, before: Version) -> _PairKey:
    return after.uid, before.uid
