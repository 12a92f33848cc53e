"""Vocabulary: the words that stand in texts, found many at a time, and the terms that each stands for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chunkwise.units import Ints

# So many bytes are one number, by which a word of ASCII that is no longer is known without its string being made.
SHORT = 8
_KEPT = np.array([2 ** (8 * size) - 1 for size in range(SHORT + 1)], dtype=np.uint64)  # by a word's size
_LETTER = np.array([chr(byte).isalnum() or byte == ord("_") for byte in range(128)])


class Occurrences(NamedTuple):
    """The words of some texts, in no order.

    text: int64 [n], where each stands; row: int64 [n], which of the distinct words it is; fan: int64 [distinct], how
    many terms each of those stands for; hashes: uint64 [sum of fan], their terms, one word's after the other's.
    """

    text: Ints
    row: Ints
    fan: Ints
    hashes: npt.NDArray[np.uint64]


class Vocabulary(dict[int | str, int]):
    """Words by number, as they come. A word is known by its string, or by its bytes where it is ASCII and short.

    found: the words of a text, which in ASCII are runs of letters, digits, _ and apostrophes between any of these;
    split: the hashes of a word's terms, asked for once.
    """

    def __init__(self, found: Callable[[str], list[str]], split: Callable[[str], Sequence[int]]) -> None:
        super().__init__()
        self._found, self._split = found, split
        self._ends, self._hashes = array("q", [0]), array("Q")  # the terms of word i end at _ends[i + 1]
        # The short words among the first `_settled` ones, ascending, and their numbers: looked up all at once, where
        # every look into the dictionary waits for memory.
        self._settled = 0
        self._keys, self._numbers = np.zeros(1, np.uint64), np.zeros(1, np.int64)  # no word is 0

    def __missing__(self, word: int | str) -> int:
        spelt = word if isinstance(word, str) else word.to_bytes(SHORT, "little").rstrip(b"\0").decode()
        self._hashes.extend(self._split(spelt))
        self._ends.append(len(self._hashes))
        number = self[word] = len(self)
        return number

    def occurrences(self, texts: Sequence[str]) -> Occurrences:
        """All words of the texts; new ones are learnt."""
        plain = [at for at, text in enumerate(texts) if text.isascii()]
        keys, keys_in, strings, strings_in = _apart([texts[at] for at in plain])
        text_of = [np.array(plain, dtype=np.int64)[where] for where in (keys_in, strings_in)]
        for at, text in enumerate(texts):
            if not text.isascii():
                strings += (words := self._found(text))
                text_of.append(np.full(len(words), at))
        short, row = _distinct(keys)
        others, other_row = _distinct(np.array(list(map(self.__getitem__, strings)), dtype=np.int64))
        number = np.concatenate([self._numbers_of(short), others])
        ends, hashes = np.frombuffer(self._ends, np.int64), np.frombuffer(self._hashes, np.uint64)
        fan = ends[number + 1] - ends[number]
        every = np.repeat(ends[number + 1] - np.cumsum(fan), fan) + np.arange(fan.sum())
        rows = np.concatenate([row, len(short) + other_row])
        return Occurrences(np.concatenate(text_of), rows, fan, hashes[every])

    def _numbers_of(self, keys: npt.NDArray[np.uint64]) -> Ints:
        """The numbers of short words, ascending; new ones are learnt."""
        if len(self) > self._settled + self._settled // 8:
            found = {0: 0} | {word: number for word, number in self.items() if isinstance(word, int)}
            unsorted = np.fromiter(found, np.uint64, len(found))
            order = np.argsort(unsorted)
            self._keys, self._numbers = unsorted[order], np.fromiter(found.values(), np.int64, len(found))[order]
            self._settled = len(self)
        at = np.searchsorted(self._keys, keys)
        numbers = self._numbers.take(at, mode="clip")
        new = np.flatnonzero(self._keys.take(at, mode="clip") != keys)
        numbers[new] = list(map(self.__getitem__, keys[new].tolist()))
        return numbers


def _distinct(words: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Ints]:
    """The distinct words, ascending, and which of them each is; `np.unique` would sort by index, or hash."""
    ordered = np.sort(words)
    distinct = ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] + 1))]
    return distinct, np.searchsorted(distinct, words)


def _apart(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], Ints, list[str], Ints]:
    """The words of texts in ASCII: short ones as numbers, the others as strings; of each, the text it is in."""
    joined = "\n".join(["", *texts, SHORT * "\n"])
    data = np.frombuffer(joined.encode(), dtype=np.uint8)
    inside = _LETTER[data]
    quotes = np.flatnonzero(data == ord("'"))
    inside[quotes] = inside[quotes - 1] & inside[quotes + 1]
    start, end = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2).T + 1
    begins = np.cumsum([1, *(len(text) + 1 for text in texts)])
    text = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(start, begins)))
    size = end - start
    short = size <= SHORT
    from_each = np.ndarray(len(data) - SHORT + 1, dtype="<u8", buffer=data, strides=(1,))
    keys = from_each[start[short]] & _KEPT[size[short]]
    long = [joined[first:last] for first, last in zip(start[~short].tolist(), end[~short].tolist(), strict=True)]
    return keys, text[short], long, text[~short]
