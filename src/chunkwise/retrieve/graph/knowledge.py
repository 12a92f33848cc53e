"""Knowledge: the graph of an index, of chunks, of triplets that they state, and of things that triplets name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chunkwise.retrieve.corpus import Corpus
from chunkwise.retrieve.graph.triplets import Triplet, key, stated
from chunkwise.retrieve.graph.walk import Edges
from chunkwise.retrieve.words import Words
from chunkwise.units import Floats, Ints

LONGEST = 6  # words of a name that is looked for in a question
SHORTEST = 3  # its characters

Stated = Sequence[tuple[int, Triplet]]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The graph of one state of an index. Nodes: its chunks, then the triplets, then the things.

    nodes, chunks: how many; edges: between them; states: int64 [triplets], the chunk that each triplet stands in;
    things: the node of each by the `key` of its name; rarity: float32 [things], 1 for a thing that is part of one
    triplet, less for one of many.
    """

    nodes: int
    edges: Edges
    chunks: int
    states: Ints
    things: Mapping[str, int]
    rarity: Floats

    def joined(self, stated: Stated) -> Told:
        """Further triplets, told for one walk."""
        first = self.nodes
        things = _things(stated, first + len(stated), self.things)
        one, other = _links(stated, first, things)
        return Told(Edges(one, other, self.weight(other)), _where(stated), things)

    def weight(self, nodes: Ints) -> Floats:
        """The rarity of things, 1 for every node that is none of the graph's things; float32 [n]."""
        at = nodes - (self.nodes - len(self.rarity))
        known = (at >= 0) & (at < len(self.rarity))
        weight = np.ones(len(nodes), dtype=np.float32)
        weight[known] = self.rarity[at[known]]
        return weight


@dataclass(frozen=True, slots=True)
class Told:
    """Triplets that are added to a graph for one walk. Their nodes come after all of the graph's, new things last.

    edges: theirs; states: int64 [triplets], the chunk that each stands in; things: all things, the graph's and theirs.
    """

    edges: Edges
    states: Ints
    things: Mapping[str, int]

    def named(self, question: str, words: Words) -> Ints:
        """The nodes of the things that a question names, whatever their case; the longest name at each place."""
        spoken = question.replace("?", " ").replace(",", " ").split()
        found: dict[int, None] = {}
        at = 0
        while at < len(spoken):
            for size in range(min(LONGEST, len(spoken) - at), 0, -1):
                name = key(" ".join(spoken[at : at + size]))
                if len(name) >= SHORTEST and name in self.things and words.terms(name):
                    found[self.things[name]] = None
                    at += size - 1
                    break
            at += 1
        return np.array(list(found), dtype=np.int64)


def knowledge(corpus: Corpus) -> Knowledge:
    """The graph of all that patterns find in the index; linear in its text, made once for each state of it."""
    return corpus.derived("knowledge", lambda: _known(len(corpus), _by_patterns(corpus)))


def _known(chunks: int, stated: Stated) -> Knowledge:
    first = chunks + len(stated)
    things = _things(stated, first, {})
    one, other = _links(stated, chunks, things)
    of_thing = other >= first
    uses = np.bincount(other[of_thing] - first, minlength=len(things))
    rarity = (1 / (1 + np.log(np.maximum(uses, 1)))).astype(np.float32)
    weight = np.ones(len(one), dtype=np.float32)
    weight[of_thing] = rarity[other[of_thing] - first]
    return Knowledge(first + len(things), Edges(one, other, weight), chunks, _where(stated), things, rarity)


def _by_patterns(corpus: Corpus) -> list[tuple[int, Triplet]]:
    words = corpus.words
    small: dict[str, bool] = {}

    def is_small(word: str) -> bool:
        if word not in small:
            small[word] = not words.terms(word)
        return small[word]

    found: list[tuple[int, Triplet]] = []
    document, topic = -1, ""
    for chunk, number in enumerate(corpus.snapshot.document.tolist()):
        if number != document:
            document, topic = number, ""
        for triplet in stated(corpus.text(chunk), topic, is_small):
            topic = topic or triplet.subject  # the first name in a document is most often what it is about
            found.append((chunk, triplet))
    return found


def _things(stated: Stated, first: int, known: Mapping[str, int]) -> Mapping[str, int]:
    """The nodes of all things, those not yet known from `first` on."""
    if not stated:
        return known
    things = dict(known)
    for _, triplet in stated:
        for name in triplet.names:
            things.setdefault(name, first + len(things) - len(known))
    return things


def _links(stated: Stated, first: int, things: Mapping[str, int]) -> tuple[Ints, Ints]:
    """Both ends of the edges from each triplet, nodes `first` and following, to its chunk and its things."""
    ends = [
        (first + at, node)
        for at, (chunk, triplet) in enumerate(stated)
        for node in (chunk, *(things[name] for name in triplet.names))
    ]
    pairs = np.array(ends, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _where(stated: Stated) -> Ints:
    return np.array([chunk for chunk, _ in stated], dtype=np.int64)
