"""Triplets: who does what to whom, as a text states it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import regex

from chunkwise.asking import MATERIAL, fenced
from chunkwise.retrieve.notes import Task

LONGEST = 60  # characters of a relation, by patterns
FIELD = 120  # characters of a field that a model writes

# Capitalised words, with the small words that stand within names, and numbers after them: Tower of London, Apollo 11.
_NAME = regex.compile(
    r"\p{Lu}[\p{L}\p{M}\p{N}&]*(?:['’.-][\p{L}\p{N}]+)*"
    r"(?:(?:\ (?:of|the|de|del|della|di|da|du|la|le|van|von|der|den|al|bin|y)){0,2}"
    r"\ (?:\p{Lu}[\p{L}\p{M}\p{N}&]*(?:['’.-][\p{L}\p{N}]+)*|\p{N}+))*"
)
_END = regex.compile(r"(?<=[\p{Ll}\p{N})\"'”’]{2}[.!?;])\s+|\n\s*\n")
_VERBAL = regex.compile(r"\p{L}{2,}")
_LINKING = frozenset("and or of the an".split())  # noqa: SIM905  # a word list


class Triplet(NamedTuple):
    """What a text states: names as they stand there, and the words between them; a name alone has neither after it."""

    subject: str
    relation: str
    object: str

    @property
    def names(self) -> list[str]:
        """The keys of the things that it names, each once."""
        return list(dict.fromkeys(filter(None, (key(self.subject), key(self.object)))))


def key(name: str) -> str:
    """What one thing goes by however a name of it is written: one case, no article before it, no genitive after it."""
    plain = " ".join(name.casefold().split()).removesuffix("'s").removesuffix("’s")
    return plain.removeprefix("the ").strip(" .,;:'’\"“”()[]")


def names(text: str, small: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Where the names in a text stand; small: whether a word, capitalised at a sentence's start, is no name."""
    found = []
    for match in _NAME.finditer(text):
        start, end = match.span()
        # Small words that begin a sentence stand before a name ("In Paris") or alone ("He").
        while start < end:
            word, blank, _ = text[start:end].partition(" ")
            if not small(word):
                break
            start += len(word) + len(blank)
        if end - start > 1:
            found.append((start, end))
    return found


def stated(text: str, topic: str, small: Callable[[str], bool]) -> Iterator[Triplet]:
    """The triplets of a text: two names of a sentence and the words between them, which hold the verb.

    topic: what the document is about, which is the subject of a sentence that begins with no name ("He was born in
    ..."). In a list of names each is told what the first is. A name that nothing is told of is given alone. Made for
    English; in a script without capitals it finds nothing.
    """
    bounds = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    for begin, stop in pairwise(bounds):
        sentence = text[begin:stop]
        subject, since, alone = topic, 0, ""
        last: Triplet | None = None
        for start, end in names(sentence, small):
            name, between = sentence[start:end], " ".join(sentence[since:start].split()).strip(" ,()\"'“”’")
            if last is not None and not _says(between):
                yield (last := last._replace(object=name))
            elif subject and _says(between) and len(between) <= LONGEST and key(subject) != key(name):
                yield (last := Triplet(subject, between, name))
                alone = ""
            else:
                if alone:
                    yield Triplet(alone, "", "")
                last, alone = None, name
            subject, since = name, end
        if alone:
            yield Triplet(alone, "", "")


def _says(relation: str) -> bool:
    return any(word.casefold() not in _LINKING for word in _VERBAL.findall(relation))


_PROMPT = """\
Below are consecutive parts of one document, each after its number. Write down the facts that they state, one on a line:
number | subject | relation | object
The number is that of the part that states the fact. Write subject and object by their full names, also where the text
has a pronoun, and the same thing by the same name throughout. Write nothing else; where they state none, write: none
"""


def prompt(texts: Sequence[str], first: int) -> str:
    """What the texts of chunks `first` and following state."""
    numbered = "\n".join(f"{number}: {' '.join(text.split())}" for number, text in enumerate(texts, first))
    return f"{_PROMPT}{MATERIAL}{fenced(numbered)}"


def read(reply: str, first: int, last: int) -> list[str] | None:
    """The lines of a reply that are triplets of chunks `first` to `last`; None where it has none, nor says "none"."""
    lines = []
    for line in reply.splitlines():
        number, *fields = (field.strip() for field in line.strip("-*• |`").split("|"))
        whole = len(fields) == 3 and all(0 < len(field) <= FIELD for field in fields)
        if whole and number.isascii() and number.isdecimal() and first <= int(number[:9]) <= last:
            lines.append(" | ".join((str(int(number)), *fields)))
    return lines if lines or reply.strip(" .\n").casefold() == "none" else None


def parse(line: str) -> tuple[int, Triplet]:
    """The number of the chunk and the triplet of a line that `read` has let through."""
    number, subject, relation, object_ = line.split(" | ")
    return int(number), Triplet(subject, relation, object_)


WRITTEN = Task("triplets", prompt, read, "the patterns' triplets are used alone")
