"""Coreference: whom the pronoun that opens an English sentence stands for, by plain rules that would rather not say."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from chunkwise.compress.keywords import names
from chunkwise.compress.unit import Units
from chunkwise.units import Span

Kind: TypeAlias = Literal["he", "she", "person", "thing", "several"]

_NEAR = 32  # names looked back at

# What each pronoun may stand for, and whether it is a possessive, whose name then takes an 's.
_PRONOUNS: Mapping[str, tuple[frozenset[Kind], bool]] = {
    "He": (frozenset(("he", "person")), False),
    "His": (frozenset(("he", "person")), True),
    "She": (frozenset(("she", "person")), False),
    "Her": (frozenset(("she", "person")), True),
    "It": (frozenset(("thing",)), False),
    "Its": (frozenset(("thing",)), True),
    "They": (frozenset(("several",)), False),
    "Their": (frozenset(("several",)), True),
}
_OPENS = re.compile(rf"\s*({'|'.join(sorted(_PRONOUNS, key=len, reverse=True))})\b(?=\s+[a-z])")
_EXPLETIVE = re.compile(
    r"\s*It\s+(?:is|was|has been|seems?|appears?|turns? out|follows|would be|will be|may be)\s+"
    r"(?:\w+ly\s+|not\s+|also\s+)?(?:that|to|\w+\s+(?:that|to|for)|said|known|possible|clear|likely|raining|snowing)\b"
    r"|\s*It\s+(?:seems|appears|follows|rain|snow)"
)
_HE = re.compile(r"\b(?:Mr|Sir|Lord|King|Prince|Duke|Count|Emperor|Pope|Father|Brother)\b")
_SHE = re.compile(r"\b(?:Mrs|Ms|Miss|Lady|Dame|Queen|Princess|Duchess|Countess|Empress|Madame|Mother|Sister)\b")
_PERSON = re.compile(r"\b(?:Dr|Prof|Professor|President|Senator|Judge|General|Captain|Saint|Justice)\b")
_THING = re.compile(
    r"\b(?:University|College|Institute|School|Company|Corporation|Inc|Ltd|GmbH|Museum|Library|Church|Cathedral|Palace|"
    r"River|Lake|Mount|Mountain|Sea|Ocean|Island|Street|Bridge|Park|City|Republic|Kingdom|Empire|Union|States|War|"
    r"Treaty|Act|Award|Prize|Party|Court|Bank|Army|Navy|Times|Station|Airport|Festival|League|Club|Project|Protocol|"
    r"January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b"
)
_PLACED = re.compile(
    r"\b(?:in|at|near|into|through|across|inside|outside|towards?|around)\s+(?:the\s+)?\Z", re.IGNORECASE
)
_ARTICLE = re.compile(r"\b(?:the|a|an)\s+\Z", re.IGNORECASE)
_THE = re.compile(r"\bthe\s+\Z", re.IGNORECASE)
_GIVEN = {  # the commonest given names of English texts; a name that is in neither list may be anybody's
    "he": frozenset(
        """adam albert alexander andrew anthony arthur benjamin charles christopher daniel david edward eric frank
        frederick george harold harry henry isaac jack jacob james john joseph karl kevin lawrence leonard louis mark
        martin matthew michael nicholas oliver patrick paul peter philip ralph raymond richard robert ronald samuel
        simon stephen steven theodore thomas tom victor vincent walter william""".split()  # noqa: SIM905  # a word list
    ),
    "she": frozenset(
        """ada agnes alice amelia amy angela anna anne barbara betty caroline catherine charlotte christine clara
        diana dorothy eleanor elizabeth ellen emily emma florence frances grace hannah harriet helen irene jane janet
        jennifer jessica joan judith julia karen kate katherine laura lisa louise lucy margaret maria marie mary
        nancy olivia pamela rachel rebecca rosa rose ruth sandra sarah sophia susan teresa victoria virginia""".split()  # noqa: SIM905
    ),
}


class Antecedent(NamedTuple):
    """pronoun: where it stands in the text; said: what to say in its place."""

    pronoun: Span
    said: str


class _Mention(NamedTuple):
    at: int
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Resolved:
    """Sentences with names in place of the pronouns that open them; found: the antecedent of each of the units."""

    units: Units
    found: tuple[Antecedent | None, ...]

    @classmethod
    def of(cls, units: Units) -> Resolved:
        """The sentences of all passages; a name is looked for in the sentence's own passage alone."""
        found: list[Antecedent | None] = []
        edges = np.searchsorted(units.of, np.arange(len(units.passages) + 1)).tolist()
        for passage, (first, last) in zip(units.passages, pairwise(edges), strict=True):
            found += antecedents(passage.text, units.spans[first:last])
        return cls(units, tuple(found))

    @property
    def texts(self) -> list[str]:
        """What each sentence says with its pronoun resolved."""
        return [
            text if one is None else text[: one.pronoun.start - start] + one.said + text[one.pronoun.end - start :]
            for text, one, (start, _) in zip(self.units.texts, self.found, self.units.spans, strict=True)
        ]

    def instead(self, taken: Iterable[int]) -> dict[int, dict[Span, str]]:
        """What stands for the pronouns of those sentences that are taken without the one before; by passage."""
        chosen = set(taken)
        made: dict[int, dict[Span, str]] = {}
        for at in chosen:
            of, one = int(self.units.of[at]), self.found[at]
            if one is not None and not (at - 1 in chosen and self.units.of[at - 1] == of):
                made.setdefault(of, {})[one.pronoun] = one.said
        return made


def antecedents(text: str, sentences: Sequence[Span]) -> list[Antecedent | None]:
    """For each sentence, whom the pronoun that opens it stands for: the last name before it that it agrees with.

    None where no pronoun opens it, or none agrees. A name's kind is told by titles, common given names, what
    institutions and places are called, and the words before it; what it was once told to be it stays. A name of two
    words or more that nothing tells of may be a person's; one word alone that nothing tells of is nobody's. English
    alone, and no syntax: of two men, the later one is taken.
    """
    mentions = _mentions(text)
    found: list[Antecedent | None] = []
    for start, end in sentences:
        opens = _OPENS.match(text, start, end)
        said = None
        if opens is not None and not _EXPLETIVE.match(text, start, end):
            allowed, possessive = _PRONOUNS[opens[1]]
            place = bisect_left(mentions, start, key=attrgetter("at"))
            near = (mention for mention in reversed(mentions[max(0, place - _NEAR) : place]) if mention.kind in allowed)
            if (last := next(near, None)) is not None:
                owned = ("'" if last.name.endswith("s") and last.kind == "several" else "'s") if possessive else ""
                said = Antecedent(Span(*opens.span(1)), last.name + owned)
        found.append(said)
    return found


def _mentions(text: str) -> list[_Mention]:
    found: list[_Mention] = []
    known: dict[str, tuple[str, Kind]] = {}  # by the name and each word of it, as "Curie" after "Marie Curie"
    for at, name in names(text):
        before = text[max(0, at - 24) : at]
        whole, kind = known.get(name) or (f"The {name}" if _THE.search(before) else name, _kind(name, before))
        if kind is not None:
            found.append(_Mention(at, whole, kind))
            for part in (name, *name.split()):
                known.setdefault(part, (whole, kind))
    return found


def _kind(name: str, before: str) -> Kind | None:
    parts = name.split()
    first = parts[0].strip(".").casefold()
    if _THING.search(name):
        return "thing"
    if _HE.search(name) or first in _GIVEN["he"]:
        return "several" if "and" in parts else "he"
    if _SHE.search(name) or first in _GIVEN["she"]:
        return "several" if "and" in parts else "she"
    if "and" in parts or (_ARTICLE.search(before) and parts[-1].endswith("s")):
        return "several"
    if _PERSON.search(name):
        return "person"
    if _PLACED.search(before):  # where something is, which is seldom what the next sentence goes on about
        return None
    if _ARTICLE.search(before) or (len(parts) == 1 and len(name) > 1 and name.isupper()):
        return "thing"
    return "person" if len(parts) > 1 and all(part[:1].isupper() for part in parts) else None
