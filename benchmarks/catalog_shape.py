"""The big catalog that questions are put to: which run read and made what, by arithmetic.

A pipeline of ten stages is run over and over. Each run makes two neighbouring artifacts of its
stage out of two of the stage before, and reads one file that all but every tenth run read. After
the last round a hundredth of the first stage is made once more, so that what hangs on it is stale.
Between all that stand, evenly, the thousand runs of a state file that is made from itself. All is
given by the number of edges: readings and makings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.canonical import short_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Shape"]

STAGES = 10
PAIRS = 5_000
"""Runs of a stage; ten stages of twice as many artifacts are a hundred thousand."""
EDGES_PER_RUN = 5
ROUNDS = 2
"""At least; fewer edges make the stages narrower."""
LINKS = 1_000
CHANGED_PART = 100
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCE, OTHER, FEED = 1, 2, 3
"""Ids of versions and artifacts: what most runs read, what the others read, the first feed."""


@dataclass(frozen=True)
class Shape:
    """How the numbers of runs, versions and artifacts hang together.

    Runs and versions have the ids of the order in which they were made, links among the others.
    """

    edges: int

    @cached_property
    def pairs(self) -> int:
        """Runs of one stage in one round."""
        return max(1, min(PAIRS, self.edges // (EDGES_PER_RUN * STAGES * ROUNDS)))

    @cached_property
    def rounds(self) -> int:
        """Whole rounds; another one stops where it has begun."""
        return max(ROUNDS, self.edges // (EDGES_PER_RUN * STAGES * self.pairs))

    @cached_property
    def changed(self) -> int:
        """Runs after the last round."""
        return max(1, self.pairs // CHANGED_PART)

    @cached_property
    def plain(self) -> int:
        """Runs that are no links of the state file."""
        return self.rounds * STAGES * self.pairs + self.changed

    @cached_property
    def block(self) -> int:
        """Runs between two links."""
        return max(1, self.plain // LINKS)

    @property
    def state(self) -> int:
        """Artifact id of the state file; the products follow."""
        return FEED + self.pairs

    @property
    def artifacts(self) -> int:
        """How many there are."""
        return self.state + STAGES * self.pairs * 2

    def run_id(self, number: int) -> int:
        """Return the id of a plain run."""
        return number + number // self.block + 2

    def version_id(self, number: int, side: int) -> int:
        """Return the id of one of the two versions a plain run made."""
        return self.state + 2 * number + side + number // self.block + 1

    def link_run(self, link: int) -> int:
        """Return the id of a run of the state file."""
        return link * (self.block + 1) + 1

    def link_version(self, link: int) -> int:
        """Return the id of a version of the state file."""
        return self.state + link * (2 * self.block + 1)

    def place(self, number: int) -> tuple[int, int, int]:
        """Return round, stage and pair of a plain run."""
        turn, rest = divmod(number, STAGES * self.pairs)
        if turn == self.rounds:
            return turn, 0, rest * CHANGED_PART % self.pairs
        return turn, *divmod(rest, self.pairs)

    def read(self, number: int) -> tuple[int, int, int]:
        """Return the ids of the three versions a plain run read."""
        turn, stage, pair = self.place(number)
        common = REFERENCE if number % 10 else OTHER
        if not stage:
            return common, FEED + pair, FEED + (pair + 1) % self.pairs
        before = (turn * STAGES + stage - 1) * self.pairs
        return (
            common,
            self.version_id(before + pair, 0),
            self.version_id(before + (pair + 1) % self.pairs, 1),
        )

    def product(self, stage: int, pair: int, side: int) -> int:
        """Return the id of an artifact."""
        return self.state + 1 + (stage * self.pairs + pair) * 2 + side

    def is_last(self, turn: int, stage: int, pair: int) -> bool:
        """Tell whether nothing of this place was made after this round."""
        if turn == self.rounds:
            return True
        return turn == self.rounds - 1 and not (not stage and self._is_changed(pair))

    def _is_changed(self, pair: int) -> bool:
        spread = {number * CHANGED_PART % self.pairs for number in range(self.changed)}
        return pair in spread

    def made(self) -> Iterator[tuple[int, int, int, int, bool]]:
        """Yield every version in the order of ids: id, artifact, number, run or 0, is current."""
        for feed in range(1, self.state):
            yield feed, feed, 1, 0, True
        links = 0
        for number in range(self.plain):
            if number % self.block == 0:
                yield self._link(links)
                links += 1
            turn, stage, pair = self.place(number)
            is_last, run_id = self.is_last(turn, stage, pair), self.run_id(number)
            for side in (0, 1):
                artifact = self.product(stage, pair, side)
                yield self.version_id(number, side), artifact, turn + 1, run_id, is_last

    def _link(self, link: int) -> tuple[int, int, int, int, bool]:
        is_last = (link + 1) * self.block >= self.plain
        return self.link_version(link), self.state, link + 1, self.link_run(link), is_last

    def reads(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield every run in the order of ids, with the versions it read."""
        for number in range(self.plain):
            link, rest = divmod(number, self.block)
            if not rest:
                before = (self.link_version(link - 1),) if link else ()
                yield self.link_run(link), (OTHER, *before)
            yield self.run_id(number), self.read(number)

    def named(self) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Yield every artifact in the order of ids: id, type, key."""
        for feed in range(1, self.state):
            yield feed, "feed", {"number": feed}
        yield self.state, "state", {}
        for stage in range(STAGES):
            for place in range(self.pairs * 2):
                artifact = self.product(stage, place // 2, place % 2)
                yield artifact, "product", {"stage": stage, "place": place}

    @property
    def chain(self) -> int:
        """How often the state file was made."""
        return -(-self.plain // self.block)

    @property
    def last_link(self) -> int:
        """Version id at the end of the chain."""
        return self.link_version(self.chain - 1)


def uid(kind: int, number: int) -> str:
    """Return the uid of a row."""
    return f"{number:08x}-0000-7000-8000-{kind:012x}"


def time_of(number: int) -> str:
    """Return when a run or a version was made, as SQLite keeps it."""
    return (BEGIN + timedelta(seconds=number)).isoformat(timespec="microseconds")


def content_of(number: int) -> str:
    """Return the digest of a version's bytes: no two alike, and in no order."""
    return f"sha256:{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:048x}"


def place_of(artifact: int) -> tuple[str, bytes]:
    """Return an artifact's URI, and what finds it."""
    uri = f"bench://{artifact % 100:02d}/{artifact:09d}.dat"
    return uri, short_digest(uri)
