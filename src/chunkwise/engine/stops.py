"""Text up to the first of some strings, as it comes: what may be the beginning of one is held back."""

from __future__ import annotations

from collections.abc import Sequence


class Until:
    """Text piece by piece, up to where one of `stops` begins; what comes out never depends on how it was cut.

    Of several, the one counts that is whole first, and of those that end together the longest. met: whether one came;
    nothing comes out after it.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.met = False

    def put(self, text: str) -> str:
        """What can be told now that `text` came."""
        self._held = "" if self.met else self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.met = True
            return self._tell(min(found)[1])
        return self._tell(len(self._held) - max(map(self._begun, self._stops), default=0))

    def end(self) -> str:
        """What was held back, since nothing comes any more."""
        return "" if self.met else self._tell(len(self._held))

    def _begun(self, stop: str) -> int:
        """How many last characters are the first ones of a stop string."""
        most = min(len(stop) - 1, len(self._held))
        return next((size for size in range(most, 0, -1) if self._held.endswith(stop[:size])), 0)

    def _tell(self, to: int) -> str:
        told, self._held = self._held[:to], self._held[to:]
        return told
