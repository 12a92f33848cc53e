"""Where prose has its joints: lines and what they begin, wrapped lines, ends of sentences."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from chunkwise.segment.structure import Draft, Outline, Path
from chunkwise.units import Ints

_MARKED = frozenset("#`~-*+•‣◦|>=_^\"':.(0123456789") | frozenset("①②③④⑤⑥⑦⑧⑨⑩")
_MARK = re.compile(
    r"""[ \t]*(?:
      (?P<heading>\#{1,6}[ \t]+\S) | (?P<fence>```|~~~) | (?P<item>(?:[-*+•‣◦]|\(?\d{1,3}[.)]|\([a-z]\)|[①-⑩])[ \t]+\S)
    | (?P<row>\||\+[-=+]{3,}) | (?P<rule>([=\-~^"'`#*+:._])\6{2,}[ \t]*[\r\n]*\Z) | (?P<quote>>)
    )""",
    re.VERBOSE,
)
_WIDEST_WRAP = 160  # characters; nobody wraps by hand beyond that


class Line(NamedTuple):
    """start: offset of its first character; text: with its end; mark: what it begins, "" for running text."""

    start: int
    text: str
    mark: str


def prose_outline(text: str, markup: str) -> Outline:
    """The blocks of running text; headings as Markdown (`#`, underlined) or reStructuredText writes them.

    A heading opens a block and leads its first paragraph. Lines of a paragraph that was wrapped by hand are joined;
    every other line end is a step. `markup`: "markdown", "rst" or "" for no headings.
    """
    lines = _lines(text)
    if markup == "rst":  # where a row of tildes underlines a title
        lines = [line._replace(mark="rule") if line.mark == "fence" else line for line in lines]
    width = wrap_width(lines)
    draft = Draft()
    levels: list[str] = []  # the characters that underline reStructuredText titles, outermost first
    headings: list[tuple[int, str]] = []
    path: Path = ()
    at, count = _front_matter(lines, draft) if markup == "markdown" else 0, len(lines)
    open_block = led = False  # led: a heading stands before, and what comes next belongs to its block
    before = ""  # the mark of the block that is open, or was open before blank lines
    while at < count:
        start, line, mark = lines[at]
        if mark == "blank":
            open_block = False
            at += 1
            continue
        taken = 0
        if markup and not open_block:
            level, title, taken = _heading(lines, at, markup, levels)
        if taken:
            while headings and headings[-1][0] >= level:
                headings.pop()
            headings.append((level, title))
            path = tuple(name for _, name in headings)
            draft.block(start, "text", path)
            at += taken
            open_block, led, before = False, True, ""
            continue
        if mark == "fence" or (mark == "row" and before != "row"):
            end = _fence_end(lines, at) if mark == "fence" else _table_end(lines, at)
            if not led:
                draft.block(start, "code" if mark == "fence" else "table", path)
            else:
                draft.kinds[-1] = "code" if mark == "fence" else "table"
            draft.steps.extend(line.start for line in lines[at + 1 : end])
            at, open_block, led, before = end, False, False, mark
            continue
        continued = mark == "item" and before == "item"
        if open_block or continued:
            if mark == "item" or not _wrapped(lines[at - 1], lines[at], width):
                draft.steps.append(start)
            if not open_block:
                draft.prose.append((start, start))
        else:
            if not led:
                draft.block(start, "text", path)
            draft.prose.append((start, start))
        draft.prose[-1] = (draft.prose[-1][0], start + len(line))
        before = "item" if mark == "item" or (before == "item" and open_block) else mark
        open_block, led = True, False
        at += 1
    return draft.done()


def line_outline(text: str, kind: str) -> Outline:
    """Blocks between blank lines, every line a step: for rows, and for code that no grammar here reads."""
    draft = Draft()
    blank = True
    for start, _, mark in _lines(text):
        if mark == "blank":
            blank = kind == "code"
        elif blank:
            draft.block(start, kind, ())
            blank = False
        else:
            draft.steps.append(start)
    return draft.done()


def _lines(text: str) -> list[Line]:
    lines = []
    start = 0
    for line in text.splitlines(keepends=True):
        first = line.lstrip()[:1]
        if not first:
            mark = "blank"
        elif first in _MARKED and (found := _MARK.match(line)):
            mark = found.lastgroup or ""
        else:
            mark = ""
        lines.append(Line(start, line, mark))
        start += len(line)
    return lines


def wrap_width(lines: list[Line]) -> int:
    """The width that the text was wrapped to by hand, 0 where its lines are paragraphs, turns or rows of their own.

    Wrapped text is told by its line ends: the next line's first word would not have fitted.
    """
    lengths, needed = [], []
    fenced = False
    for line, following in pairwise(lines):
        if line.mark == "fence":
            fenced = not fenced
        elif not fenced and following.mark == "" and line.mark in ("", "item", "quote"):
            length = len(line.text.rstrip())
            lengths.append(length)
            needed.append(length + 1 + len(following.text.split(None, 1)[0]))
    if not lengths:
        return 0
    width = int(np.percentile(lengths, 95))
    if not 40 <= width <= _WIDEST_WRAP:
        return 0
    return width if np.mean(np.array(needed) > width - 4) > 0.6 else 0


def _wrapped(line: Line, following: Line, width: int) -> bool:
    """Whether the line end between the two is no more than a blank."""
    if following.mark not in ("", "quote") or line.text.endswith(("  \n", "\\\n")):
        return False
    shown, word = line.text.rstrip(), following.text.split(None, 1)[0]
    if shown[-1] in ".!?…:" and not _is_abbreviation(shown, len(shown) - 1):
        return False
    if width and len(shown) + 1 + len(word) > width - 4:
        return True
    goes_on = word[0].islower() and (shown[-1].isalpha() or shown[-1] in ",-")
    return goes_on and len(shown) > (width // 2 or 50)


def _front_matter(lines: list[Line], draft: Draft) -> int:
    if lines and lines[0].text.rstrip() == "---":
        for at in range(1, min(len(lines), 200)):
            if lines[at].text.rstrip() in ("---", "..."):
                draft.block(0, "code", ())
                draft.steps.extend(line.start for line in lines[1 : at + 1])
                return at + 1
    return 0


def _fence_end(lines: list[Line], at: int) -> int:
    opening = lines[at].text.lstrip()
    fence = opening[: len(opening) - len(opening.lstrip(opening[0]))]
    for end in range(at + 1, len(lines)):
        line = lines[end].text.strip()
        if lines[end].mark == "fence" and line.startswith(fence) and not line.strip(fence[0]):
            return end + 1
    return len(lines)


def _table_end(lines: list[Line], at: int) -> int:
    while at < len(lines) and lines[at].mark == "row":
        at += 1
    return at


def _heading(lines: list[Line], at: int, markup: str, levels: list[str]) -> tuple[int, str, int]:
    """Level, title and number of lines of the heading that begins at line `at`; no lines where none does."""
    line, mark = lines[at].text, lines[at].mark
    if mark == "heading" and markup == "markdown":
        body = line.strip()
        title = body.lstrip("#")
        return len(body) - len(title), title.strip().rstrip("#").rstrip(), 1
    if markup == "rst" and mark == "rule" and at + 2 < len(lines):  # an overlined title
        over, under = line.rstrip(), lines[at + 2].text.rstrip()
        if over == under and lines[at + 1].mark != "blank" and len(lines[at + 1].text.rstrip()) <= len(over):
            return _level(over[0] * 2, levels), lines[at + 1].text.strip(), 3
    if mark not in ("", "item") or at + 1 >= len(lines) or lines[at + 1].mark not in ("rule", "item", "heading", ""):
        return 0, "", 0
    under, title = lines[at + 1].text.rstrip(), line.strip()
    if len(under) < 2 or under[0].isalnum() or under[0].isspace() or under.strip(under[0]):
        return 0, "", 0
    if markup == "rst" and len(under) >= len(line.rstrip()) and not line[0].isspace():
        return _level(under[0], levels), title, 2
    if markup == "markdown" and under[0] in "=-" and lines[at + 1].mark == "rule":
        return (1 if under[0] == "=" else 2), title, 2
    return 0, "", 0


def _level(style: str, levels: list[str]) -> int:
    if style not in levels:
        levels.append(style)
    return levels.index(style) + 1


_SENTENCE_END = re.compile(
    r"""(?<![.!?…]) [.!?…]++ (?:[ \u00a0\u202f]» | ["'”’»)\]*_`]{0,4}) (?:\s|\\[nrt])++
      | [。！？｡．।॥۔؟։።፧።។။།༎] ["'”’」』）】》〉]{0,4} \s*+
      | (?<=[\u0370-\u03ff\u1f00-\u1fff]) [;\u037e] ["'”’»)]{0,4} \s++""",
    re.VERBOSE,
)
_MONTH = re.compile(  # after the number of a day or a century
    r"\s(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Jahrhundert|Jh)\b"
)
_SHORTENED = """
    mr mrs ms dr prof rev hon st sr jr gen col capt lt sgt sen rep gov pres messrs vs viz cf eg ie e.g i.e al ca approx
    fig figs eq eqs sec ch no nos vol vols pp ed eds trans art dept univ inc ltd co corp bros est mt ft ave blvd rd
    jan feb mar apr jun jul aug sep sept oct nov dec a.m p.m u.s u.k u.n d.c ph.d m.d b.a m.a op cit ibid
    bzw usw z.b d.h u.a str nr vgl ggf evtl sog inkl abb bd hrsg ff mme mlle av avda sra srta sres pág págs núm ud uds
    sig sigg dott avv ing ul dhr mevr hr bijv проф акад доц ул пл пер просп пр тов рис табл гл стр вул κα κος डॉ प्रो
    ts ths pgs gs tp jl doç
"""
_ABBREVIATIONS = frozenset(_SHORTENED.split())
_BEFORE = 12  # characters looked at before a full stop: longer than any abbreviation


def sentence_ends(text: str) -> Ints:
    """Offsets at which a sentence has just ended, its closing quotes and blanks included; int64, ascending.

    Terminators of Latin, Greek, Cyrillic, CJK, Arabic, Urdu, Indic, Armenian, Ethiopic, Khmer, Burmese and Tibetan
    scripts; Thai and Lao write none. A full stop
    after an abbreviation, an initial or a list number ends nothing, nor one before a small letter, unless the text
    writes its sentences so.
    """
    ends: list[int] = []
    small: list[int] = []
    size = len(text)
    for found in _SENTENCE_END.finditer(text):
        at, end = found.span()
        end = text.rfind("\n", at, end) + 1 or end
        if end < size and text[at] in ".…!?":
            if text[at] == "." and _is_abbreviation(text, at):
                continue
            after = found.end()
            if after < size and (text[after].islower() or text[after] in ",;:)]"):
                small.append(end)
                continue
        ends.append(end)
    if len(small) > len(ends):  # a text with no capitals
        ends.extend(end for end in small if text[end].isalpha())
        ends.sort()
    return np.array(ends, dtype=np.int64)


def _is_abbreviation(text: str, at: int) -> bool:
    before = text[max(0, at - _BEFORE) : at]
    if text[at : at + 2] == "..":
        return False
    words = before.split()
    if not words or before[-1].isspace():
        return False
    word = words[-1].lstrip("([{\"'“‘„«¿¡*_")
    if word.isdigit() and len(word) < 3 and _MONTH.match(text, at + 1):
        return True
    if len(word) == 1:
        return (word.isalpha() and word != "I") or (word.isdigit() and before[: -len(word)].endswith("\n"))
    if word.isdigit():
        return len(word) < 4 and before[: -len(word)].endswith("\n")
    return word.lower() in _ABBREVIATIONS
