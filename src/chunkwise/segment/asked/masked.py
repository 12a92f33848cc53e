"""Chunks given as "first words [MASK] last words", found again in the text they were copied from."""

from __future__ import annotations

import json
import re

from chunkwise.segment.grapheme import whole

MOST_ITEMS = 256  # of one reply; what a window can hold is far less
LONGEST = 64  # characters of a head or a tail that are looked for
TOLERANCE = 0.25  # edits for each character, above which it is another text

_BULLET = re.compile(r"^\s*(?:[-*•]|\(?[0-9]{1,4}[.):])\s+")
_MASK = re.compile(r"\s*\[MASK\]\s*", re.IGNORECASE)
_SPACE = re.compile(r"\s")


def chunk_list(reply: str) -> list[tuple[str, str]]:
    """The (head, tail) of each chunk that a reply lists: a JSON list of strings, or one to a line."""
    pairs = [_MASK.split(item.strip(), maxsplit=1) for item in _items(reply) if _MASK.search(item)]
    return [(head, tail) for head, tail in pairs if head or tail][:MOST_ITEMS]


def _items(reply: str) -> list[str]:
    start, end = reply.find('["'), reply.rfind("]")
    if 0 <= start < end:
        try:
            found = json.loads(reply[start : end + 1])
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return [item for item in found if isinstance(item, str)]
    return [_BULLET.sub("", line).strip().rstrip(",").strip("\"'` ") for line in reply.splitlines()]


def starts(text: str, listed: list[tuple[str, str]], approximate: bool = True) -> list[int] | None:
    """Where the listed chunks begin in `text`: ascending offsets inside it; None where none is found again.

    A head is looked for after the one before it, then anywhere, to the letter save for blanks; then, unless
    `approximate` is false, where it takes the fewest edits, at most TOLERANCE of its length. Where a head is lost, its
    chunk begins where the one before it ends by its tail. What lies between a tail and the next head stays with the
    chunk before, and what lies before the first head with the first.
    """
    smooth = _SPACE.sub(" ", text)  # as long as the text, so that offsets stay
    found: list[int] = []
    opening: int | None = None  # where the first chunk listed begins
    cursor, tail = 0, ""
    for number, (head, next_tail) in enumerate(listed):
        if (at := _found(smooth, head, cursor, approximate)) is not None:
            found.append(_settled(text, at[0]))
            opening = found[0] if not number else opening
            cursor = at[0] + 1
        elif (at := _found(smooth, tail, cursor, approximate, last=True)) is not None:
            found.append(_settled(text, at[1]))
            cursor = at[1]
        tail = next_tail
    if not found:
        return None
    if min(found) == opening:
        found = [at for at in found if at != opening]
    return sorted({at for at in found if 0 < at < len(text)})


def _found(smooth: str, words: str, cursor: int, approximate: bool, last: bool = False) -> tuple[int, int] | None:
    """Where the words begin and end in the text, looked for from `cursor` on, then (a head) before it."""
    kept = words[-LONGEST:] if last else words[:LONGEST]
    if not (pattern := " ".join(kept.split())):
        return None
    exact = re.compile(" +".join(map(re.escape, pattern.split(" "))))
    hit = exact.search(smooth, cursor) or (None if last else exact.search(smooth))
    if hit is not None:
        return hit.span()
    edits = int(TOLERANCE * len(pattern))
    if not approximate or not edits:
        return None
    for begin in (cursor,) if last or not cursor else (cursor, 0):
        if last:
            fewest, end = nearest_end(pattern, smooth[begin:])
            place = (begin + end, begin + end)
        else:  # where it begins is where its mirror image ends in the text's
            fewest, end = nearest_end(pattern[::-1], smooth[begin:][::-1], latest=True)
            place = (len(smooth) - end, len(smooth) - end)
        if fewest <= edits:
            at = _word(smooth, place[0], fewest)
            return at, at
    return None


def nearest_end(pattern: str, text: str, latest: bool = False) -> tuple[int, int]:
    """(fewest edits, end) of the stretch of `text` that is nearest to `pattern`; the first such end, or the last.

    Edits are insertions, deletions and substitutions of one character. Bit-parallel as by Myers and Hyyrö: a step for
    each character of the text, on integers of as many bits as the pattern has characters.
    """
    size = len(pattern)
    masks: dict[str, int] = {}
    for place, character in enumerate(pattern):
        masks[character] = masks.get(character, 0) | 1 << place
    full, top = (1 << size) - 1, 1 << max(0, size - 1)
    plus, minus, edits = full, 0, size
    fewest, end = size, 0
    for at, character in enumerate(text, 1):
        equal = masks.get(character, 0)
        zero = ((((equal & plus) + plus) ^ plus) | equal | minus) & full
        right = minus | (full & ~(zero | plus))
        left = zero & plus
        if right & top:
            edits += 1
        elif left & top:
            edits -= 1
        right, left = right << 1 & full, left << 1 & full
        plus, minus = left | (full & ~(zero | right)), zero & right
        if edits < fewest or (latest and edits == fewest):
            fewest, end = edits, at
    return fewest, end


def _word(smooth: str, at: int, slack: int) -> int:
    """The word's beginning or end nearest to `at`, at most `slack` characters from it; `at` where there is none."""
    for away in range(slack + 1):
        for near in (at - away, at + away):
            if 0 <= near <= len(smooth) and _joint(smooth, near):
                return near
    return at


def _joint(smooth: str, at: int) -> bool:
    return at in (0, len(smooth)) or (smooth[at - 1] == " ") != (smooth[at] == " ")


def _settled(text: str, at: int) -> int:
    """The cut at `at` moved past blanks to where something begins, or to the start of its line if only indented."""
    while at < len(text) and text[at].isspace():
        at += 1
    if at == len(text):
        return at
    line = at
    while line > 0 and text[line - 1] in " \t":
        line -= 1
    return whole(text, line if line and text[line - 1] in "\n\r" else at, 0)
