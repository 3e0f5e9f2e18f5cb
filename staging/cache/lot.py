"""A part of a reservation that many small files draw from, so that not each of them notes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rootcellar.staging.cache.space import Reservation

__all__ = ["Lot"]

_LOT_BYTES = 1024 * 1024


class Lot:
    """Draws 1 MiB at once, and notes as much at once as kept. For one thread.

    Whoever is killed meanwhile has noted too much as reserved, never too little.
    """

    def __init__(self, reservation: Reservation) -> None:
        self._reservation = reservation
        self._left = self._kept = 0

    def take(self, size_bytes: int) -> bool:
        """Take bytes of a file that becomes an entry now; False if not so many are left.

        Before it is one: who is interrupted between the two has counted too much, not too little.
        """
        if size_bytes > self._left:
            self._note()
            needed, more = size_bytes - self._left, _LOT_BYTES
            while more > needed and not self._reservation.draw(more):
                more //= 2
            if more <= needed:
                more = needed
                if not self._reservation.draw(more):
                    return False
            self._left += more
        self._left -= size_bytes
        self._kept += size_bytes
        return True

    def put_back(self, size_bytes: int) -> None:
        """Note that the file whose bytes were just taken did not become an entry."""
        self._kept -= size_bytes
        self._left += size_bytes

    def close(self) -> None:
        """Give back to the reservation what is left. Safe to repeat."""
        self._note()
        left, self._left = self._left, 0
        self._reservation.put_back(left)

    def _note(self) -> None:
        if self._kept:
            kept, self._kept = self._kept, 0
            self._reservation.keep(kept)
