"""Citations: which passages a reply cites, and which of its citations are invented."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chunkwise.units import Passage

_NUMBER = r"[0-9]{1,9}"
_ITEM = rf"{_NUMBER}(?:\s*[-–—]\s*{_NUMBER})?"
_MARK = re.compile(rf"[\[【]\s*({_ITEM}(?:\s*[,;]\s*{_ITEM})*)\s*[\]】]")
_CODE = re.compile(r"(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Citations:
    """The passage numbers that a reply uses, each once, in the order of first use.

    valid: those that are a passage's; invented: those that are not.
    """

    used: tuple[int, ...]
    valid: tuple[int, ...]
    invented: tuple[int, ...]


def cited(answer: str, passages: Sequence[Passage]) -> Citations:
    """The citations in `answer`: `[1]`, `[1, 2]`, `[1][2]`, `[1-3]`; code in backticks cites nothing.

    A range counts the passages within it, and its ends even where they are none, so `[1-9]` over three passages uses
    1, 2, 3 and the invented 9.
    """
    there = range(1, len(passages) + 1)
    used = tuple(dict.fromkeys(_numbers(_CODE.sub(" ", answer), there)))
    return Citations(used, tuple(n for n in used if n in there), tuple(n for n in used if n not in there))


def uncited(answer: str) -> str:
    """The answer without its citations; code in backticks is left as it is."""
    pieces, at = list[str](), 0
    for code in (*_CODE.finditer(answer), None):
        pieces.append(_MARK.sub("", answer[at : code.start() if code else None]))
        if code:
            pieces.append(code[0])
            at = code.end()
    return "".join(pieces)


def _numbers(text: str, there: range) -> Iterator[int]:
    for mark in _MARK.finditer(text):
        for item in re.findall(_ITEM, mark[1]):
            ends = sorted(map(int, re.findall(_NUMBER, item)))
            first, last = ends[0], ends[-1]
            yield first
            yield from range(max(first, there.start), min(last + 1, there.stop))
            yield last
