"""The proof that two templates never render one URI, or an example where they would.

Each template becomes a small automaton that accepts at least every URI it can render; repeated
fields count as independent, and a format's digits only roughly as a date. A search through both at
once finds the shortest URI that both accept. If there is none, no two keys meet; if there is one,
two keys almost always do.
"""

from __future__ import annotations

import string
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rootcellar.schemas.templates.shape import Piece, Shape, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.schemas.templates.template import UriTemplate

__all__ = ["meeting"]

# The example takes the earliest it can: rows of 1 are a number, a date, a time and a UUID.
_PREFERRED = "10" + "23456789" + string.ascii_lowercase + string.ascii_uppercase + "-_.=+@,:/%"
_RANKS = {character: rank for rank, character in enumerate(_PREFERRED)}
_ANYTHING = frozenset(_PREFERRED)


def meeting(
    first: UriTemplate,
    second: UriTemplate,
    *,
    first_is_folder: bool = False,
    second_is_folder: bool = False,
) -> str | None:
    """Return the shortest URI that belongs to both templates, or None: then they never meet.

    A folder owns its own URI and everything below it.
    """
    one = _Automaton.of(first, is_folder=first_is_folder)
    two = _Automaton.of(second, is_folder=second_is_folder)
    # Each pair of states keeps the pair it was reached from and the character that led here.
    origins: dict[tuple[int, int], tuple[tuple[int, int], str] | None] = {}
    queue: deque[tuple[int, int]] = deque()
    for start in _pairs(one.closure(0), two.closure(0)):
        origins[start] = None
        queue.append(start)
    while queue:
        pair = queue.popleft()
        if pair == (one.accepting, two.accepting):
            return _walked(origins, pair)
        for characters, left in one.steps[pair[0]]:
            for others, right in two.steps[pair[1]]:
                shared = characters & others
                if not shared:
                    continue
                character = min(shared, key=_RANKS.__getitem__)
                for reached in _pairs(one.closure(left), two.closure(right)):
                    if reached not in origins:
                        origins[reached] = (pair, character)
                        queue.append(reached)
    return None


def _pairs(left: frozenset[int], right: frozenset[int]) -> Iterator[tuple[int, int]]:
    return ((a, b) for a in sorted(left) for b in sorted(right))


def _walked(
    origins: dict[tuple[int, int], tuple[tuple[int, int], str] | None], pair: tuple[int, int]
) -> str:
    characters: list[str] = []
    step = origins[pair]
    while step is not None:
        pair, character = step
        characters.append(character)
        step = origins[pair]
    return "".join(reversed(characters))


@dataclass(slots=True)
class _Automaton:
    """States by number from 0; `steps` read a character, `jumps` read nothing."""

    steps: list[list[tuple[frozenset[str], int]]] = field(default_factory=lambda: [[]])
    jumps: list[list[int]] = field(default_factory=lambda: [[]])
    accepting: int = 0

    @classmethod
    def of(cls, template: UriTemplate, *, is_folder: bool) -> _Automaton:
        automaton = cls()
        state = 0
        for part in template.parts:
            shape: Shape = (spelled(part),) if isinstance(part, str) else part.shape
            state = automaton._add_shape(state, shape)
        if is_folder:
            below = (Piece(frozenset("/")), Piece(_ANYTHING, 1, None))
            state = automaton._add_shape(state, ((), below))
        automaton.accepting = state
        return automaton

    def closure(self, state: int) -> frozenset[int]:
        """Return the states that are reached from here without a character."""
        found = {state}
        waiting = [state]
        while waiting:
            # Jumps lead to newer states only, so that this ends.
            targets = self.jumps[waiting.pop()]
            found.update(targets)
            waiting += targets
        return frozenset(found)

    def _add_shape(self, state: int, shape: Shape) -> int:
        """Add the alternatives behind this state and return where they join."""
        ends = []
        for pieces in shape:
            end = state
            for piece in pieces:
                end = self._add_piece(end, piece)
            ends.append(end)
        joint = self._new_state()
        for end in ends:
            self.jumps[end].append(joint)
        return joint

    def _add_piece(self, state: int, piece: Piece) -> int:
        """Add a run of characters behind this state and return where it may end."""
        for _ in range(piece.least):
            state = self._add_step(state, piece.characters)
        if piece.most is None:
            # On a state of its own: the loop must not be entered from another alternative.
            looping = self._new_state()
            self.jumps[state].append(looping)
            self.steps[looping].append((piece.characters, looping))
            return looping
        end = self._new_state()
        self.jumps[state].append(end)
        for _ in range(piece.most - piece.least):
            state = self._add_step(state, piece.characters)
            self.jumps[state].append(end)
        return end

    def _add_step(self, state: int, characters: frozenset[str]) -> int:
        target = self._new_state()
        self.steps[state].append((characters, target))
        return target

    def _new_state(self) -> int:
        self.steps.append([])
        self.jumps.append([])
        return len(self.steps) - 1
