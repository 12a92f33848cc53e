"""Spans that hold to a number of tokens, cut by the offsets of one tokenizer pass."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from chunkwise.errors import UserError
from chunkwise.segment.grapheme import whole
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Span

_SENTENCES = (". ", "? ", "! ", ".\t", '." ', ".” ", "。", "！", "？", "।", "؟")
_CLAUSES = (", ", "; ", ": ", " - ", " — ", "，", "；", "、", "،")
_FRESH = re.compile(r"[^\s/]|[ \t]{1,64}\S")  # what may follow a line end at which no word or run of blanks is torn

Boundary = Callable[[str, int, int], int]  # (text, floor, limit) -> a cut in (floor, limit]


def checked(size: int, overlap: int = 0) -> None:
    """Raise UserError unless a chunk of `size` tokens can be cut with that overlap."""
    if size < 1:
        raise UserError(f"size={size}: a chunk holds at least one token; give size=1 or more")
    if not 0 <= overlap < size:
        raise UserError(f"overlap={overlap}, size={size}: the overlap is from 0 to one token less than the size")


def last_separator(text: str, floor: int, limit: int) -> int:
    """The last best place to cut in (floor, limit]: a blank line, a line, a sentence, a clause, a blank, a character.

    The lower half of the room is not looked at, so that no chunk is cut short for a better separator.
    """
    half = (floor + limit) >> 1
    newline = text.rfind("\n", half, limit)
    if newline >= 0:
        if newline > half and text[newline - 1] == "\n":
            return newline + 1
        blank = "\n\r\n" if text[newline - 1] == "\r" else "\n\n"
        at = text.rfind(blank, half, newline + 1)
        return at + len(blank) if at >= 0 else newline + 1
    for marks in (_SENTENCES, _CLAUSES):
        found = max(
            (at + len(mark.rstrip()) for mark in marks if (at := text.rfind(mark, half, limit)) >= 0), default=0
        )
        if floor < found:
            return found
    # Before the blank, where the next word begins for the tokenizer
    return at if (at := text.rfind(" ", half, limit)) > floor else any_character(text, floor, limit)


def any_character(text: str, floor: int, limit: int) -> int:
    """The last place in (floor, limit] that tears no character as a reader sees it."""
    return whole(text, limit, floor)


def fit(text: str, offsets: TokenOffsets, size: int, overlap: int, boundary: Boundary, within: Span) -> list[Span]:
    """Spans over `within` in order, none of more than `size` tokens on its own, save a single character.

    Each ends at the last `boundary` that fits and begins where the one before it ended, or at most `overlap` tokens
    before that. One look at the offsets a span; a text is tokenised again only where a cut may have changed its tokens.
    """
    starts = offsets.starts.data  # the quickest scalar reads, and what bisect can search
    total, (start, stop) = len(starts), within
    first = bisect_left(starts, start)
    spans: list[Span] = []
    done = start
    begins_clean = clean(text, start)
    while done < stop:
        room, most = size, stop
        while True:
            limit = min(starts[first + room], most) if first + room < total else most
            end = stop
            if limit < stop:
                end = boundary(text, max(start, done), limit) if limit > done + 1 else done + 1
            ends_clean = clean(text, end)
            if begins_clean and ends_clean and offsets.splits_lines and end <= limit:
                break  # its tokens are those of the pass, and the room holds no more than `size` of them
            excess = _excess(text, offsets, start, end, size)
            if excess <= 0 or end - start == 1:
                break
            if end - done > 1 and room > 1:
                room -= min(excess, room - 1)
            elif start < done:  # no room beyond what the last span holds already: begin after it
                start, begins_clean, room = done, clean(text, done), size
                first = bisect_left(starts, start)
            elif room:
                room = 0
            else:  # inside one token of the pass, a part of which is several on its own
                most = end - 1
        spans.append(Span(start, end))
        first = bisect_left(starts, end, first, min(total, first + size + 1))
        start, begins_clean = end, ends_clean
        if overlap and end < stop:
            start = _back(text, starts, first, end, overlap, spans[-1].start)
            first, begins_clean = bisect_left(starts, start), clean(text, start)
        done = end
    return spans


def _back(text: str, starts: Sequence[int], first: int, end: int, overlap: int, floor: int) -> int:
    """Where the next span begins: at a line or word at most `overlap` tokens before `end`, after `floor`."""
    earliest = max(starts[max(0, first - overlap)], floor + 1)
    if (at := text.find("\n", earliest - 1, end - 1)) >= 0:
        return at + 1
    return at if (at := text.find(" ", earliest, end)) >= 0 else end


def _excess(text: str, offsets: TokenOffsets, start: int, end: int, size: int) -> int:
    """By how many tokens text[start:end] on its own is above `size`; not more than 0 where it fits."""
    if offsets.alone is None:
        return offsets.count(start, end) - size
    return offsets.alone(text[start:end]) - size


def clean(text: str, at: int) -> bool:
    """Whether a cut at `at` leaves the tokens on both sides as they are."""
    if not 0 < at < len(text):
        return True
    before = text[at - 1]
    if before == "\n":
        return _FRESH.match(text, at) is not None
    return text[at] in " \t" and not before.isspace()
