"""A text laid out piece by piece, each piece remembering the line or page it came from."""

from __future__ import annotations

from typing import Literal, NamedTuple

from chunkwise.units import Element, LineMap


class Reading(NamedTuple):
    """What a format's reader gives: the text, its map back to the file, and its title and elements where it has any."""

    text: str
    lines: LineMap
    title: str = ""
    elements: tuple[Element, ...] = ()


class Layout:
    """Text under construction. Adding is O(length of the piece); `reading` joins once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._numbers: list[int] = []
        self._length = 0
        self._elements: list[Element] = []

    def __len__(self) -> int:
        return self._length

    def add(self, piece: str, number: int | None = None) -> None:
        """Append a piece that came from line or page `number`; None goes with the piece before it."""
        if number is not None and piece and (not self._numbers or self._numbers[-1] != number):
            self._starts.append(self._length)
            self._numbers.append(number)
        self._pieces.append(piece)
        self._length += len(piece)

    def place(self, *elements: Element) -> None:
        """Append elements of what was added, in order."""
        self._elements.extend(elements)

    def reading(self, unit: Literal["line", "page"] = "line", title: str = "") -> Reading:
        """The whole text with its map."""
        starts = (0, *self._starts[1:]) if self._starts else (0,)
        lines = LineMap(starts, tuple(self._numbers) or (1,), unit)
        return Reading("".join(self._pieces), lines, title, tuple(self._elements))
