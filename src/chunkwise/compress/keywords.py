"""Keywords: what must survive when a text is said in fewer words. Names, numbers, identifiers, citations."""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

from chunkwise.retrieve import words

_EXACT = re.compile(
    r"\[\d{1,4}(?:\s*[,;–-]\s*\d{1,4})*\]|\([^()\n]{0,60}\b(?:1[5-9]|20)\d\d[a-z]?\)"  # citations
    r"|\b(?:\w+_\w+|[a-z]+[A-Z]\w*|[A-Z]\w*[a-z][A-Z]\w*|\w+\(\))"  # identifiers
    r"|[$€£¥]?\d+(?:[.,:/-]\d+)*(?:\s?%)?"  # numbers
)
_NAME = regex.compile(r"\b\p{Lu}\w*(?:[’'.-]\w+)*(?:\s(?:(?:of|the|de|von|van|da|and)\s){0,2}\p{Lu}\w*(?:[’'.-]\w+)*)*")
_STARTS = re.compile(r"(?:\A|[.!?:;\"“‘'(\[\n•*#|>-])\s*\Z")


def keywords(text: str) -> list[str]:
    """The citations, numbers, identifiers and names of a text, each once, in the order in which they stand."""
    found = dict(names(text))
    found |= {match.start(): match[0] for match in _EXACT.finditer(text)}
    return list(dict.fromkeys(found[at] for at in sorted(found)))


def names(text: str) -> list[tuple[int, str]]:
    """Where names stand and what they are: runs of words with a capital. A sentence's first word alone is none.

    It is one where it bears its capital within a sentence too.
    """
    runs = [(match.start(), match[0]) for match in _NAME.finditer(text)]
    opens = [bool(_STARTS.search(text, max(0, at - 4), at)) for at, _ in runs]
    inside = {word for (_, run), opening in zip(runs, opens, strict=True) for word in run.split()[opening:]}
    means = words().terms
    found = []
    for (at, name), opening in zip(runs, opens, strict=True):
        first, _, rest = name.partition(" ")
        if opening and not means(first):  # "The Nile", "In Paris"
            at, name = at + len(first) + 1, rest
        elif opening and not rest and first not in inside:
            continue
        if name and means(name):
            found.append((at, name))
    return found


def missing(wanted: Iterable[str], text: str) -> list[str]:
    """Those keywords that the text does not have, whatever their case."""
    there = text.casefold()
    return [word for word in wanted if word.casefold() not in there]
