"""The point of each cut by surprise, with the package's own model, beside a control that misses it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from chunkwise.engine.byte_lm import ByteLM
from chunkwise.engine.tensors import Tensors
from chunkwise.evaluate.boundaries import boundary_scores
from chunkwise.models import Surprise
from chunkwise.recipe import build
from chunkwise.segment.sentence import sentence_bounds
from chunkwise.segment.surprise.dynamic import WEIGHTS, begins, boundary_chances
from chunkwise.segment.surprise.recipes import chunk_starts
from chunkwise.segment.surprise.spans import rises
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats, Ints

THEMES = (
    (
        "The {} of the harbour was repaired by the fishermen",
        ["boat", "wall", "crane", "lamp", "rope", "pier", "chain", "buoy"],
    ),
    (
        "Every patient in the ward was given {} by the nurses",
        ["water", "soup", "rest", "bread", "tea", "fruit", "broth", "milk"],
    ),
    (
        "Our orchestra rehearsed the {} with two new violinists",
        ["waltz", "march", "hymn", "fugue", "song", "dance", "aria", "suite"],
    ),
    (
        "That law forbids {} without a written permit from the court",
        ["fishing", "hunting", "trade", "digging", "selling"],
    ),
    (
        "Under the telescope {} appeared as a faint point of light",
        ["Mars", "Venus", "Saturn", "Titan", "Vega", "Io", "Pluto"],
    ),
    (
        "Farmers here plant {} after the first rain of autumn",
        ["wheat", "barley", "rye", "oats", "maize", "beans", "peas"],
    ),
    (
        "She glazed {} with copper ash before the kiln was lit",
        ["bowls", "cups", "jars", "tiles", "plates", "vases", "jugs"],
    ),
    (
        "Their chess club lost to {} because of a weak endgame",
        ["Leeds", "Ghent", "Basel", "Turin", "Lyon", "Cork", "Graz"],
    ),
    (
        "A virus spread through {} before anybody had a vaccine",
        ["towns", "schools", "camps", "ports", "farms", "mines"],
    ),
    (
        "Each bridge over the {} rests on piles of oak and iron",
        ["Rhine", "Danube", "Seine", "Thames", "Volga", "Ebro", "Po"],
    ),
)
TIMES = ("in March", "last winter", "at dawn", "on Monday", "that year", "before noon", "in the end", "once again")


@cache
def lm() -> ByteLM:
    return ByteLM()


class Shuffled:
    """The model's own costs, in another order."""

    name = "shuffled"

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        read = lm().surprise(text)
        return Surprise(read.starts, np.random.default_rng(1).permutation(read.nats))

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        return np.array([random.Random(prompt + answer).random() for answer in answers], dtype=np.float32)


@cache
def concatenated(seed: int) -> tuple[str, tuple[int, ...]]:
    """Short documents on one theme each, and where all but the first begin."""
    lot = random.Random(seed)
    text, starts = "", []
    for frame, things in lot.sample(THEMES, len(THEMES)):
        starts.append(len(text))
        for _ in range(lot.randint(5, 9)):
            text += f"{frame.format(lot.choice(things))} {lot.choice(TIMES)}. "
    return text, tuple(starts[1:])


def f1(spec: str, model: object, seed: int) -> tuple[float, int]:
    """Boundary F1 over sentences, and the number of chunks."""
    text, starts = concatenated(seed)
    document = Document.of(text)
    bounds: Ints = sentence_bounds(document)
    spans = build(spec, "segment", {"lm": lambda: model})(document, tokenizer().offsets(text))
    gold, found = (np.searchsorted(bounds, at).tolist() for at in (starts, [span.start for span in spans[1:]]))
    return boundary_scores(found, gold, len(bounds) - 1).f1, len(spans)


def beside_controls(spec: str, model: object, confused: object) -> tuple[float, float, float]:
    """Mean boundary F1 of the recipe, of fixed cuts into as many chunks, and of the recipe with a confused model."""
    rows = []
    for seed in (1, 2, 3):
        found, chunks = f1(spec, model, seed)
        size = len(tokenizer().offsets(concatenated(seed)[0])) // chunks
        rows.append((found, f1(f"fixed:size={size}", model, seed)[0], f1(spec, confused, seed)[0]))
    found, fixed, control = np.mean(rows, axis=0).tolist()
    return found, fixed, control


def test_meta_chunking() -> None:
    """Cuts where documents on other themes begin; fixed cuts into as many chunks, and shuffled costs, do not."""
    found, fixed, shuffled = beside_controls("meta-chunking:threshold=0.5", lm(), Shuffled())
    assert found > 0.5
    assert found > fixed + 0.25
    assert found > shuffled + 0.25


def test_context_gain() -> None:
    """As `meta-chunking`, and by a signal that needs no threshold in nats."""
    found, fixed, shuffled = beside_controls("context-gain:percentile=85", lm(), Shuffled())
    assert found > 0.5
    assert found > fixed + 0.25
    assert found > shuffled + 0.25


class Reader(Shuffled):
    """Answers as one who reads would: keep where the passages share a theme."""

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        left, right = re.findall(r"Passage [AB]: (\w+ \w+)", prompt)
        keep = -0.1 if left.split()[0] == right.split()[0] else -2.0
        return np.array([keep, np.log(1 - np.exp(keep))], dtype=np.float32)


def test_meta_chunking_margin() -> None:
    """With a model that can tell, cuts where it would split; with one that cannot, no better than fixed cuts."""
    found, fixed, confused = beside_controls("meta-chunking-margin", Reader(), Shuffled())
    assert found > 0.5
    assert found > fixed + 0.2
    assert found > confused + 0.2


def test_bytespan() -> None:
    """Spans begin where words do; as many fixed spans, and spans of shuffled costs, do not."""
    text = concatenated(1)[0]
    words = {match.start() for match in re.finditer(r"\w+", text)}
    nats = lm().surprise(text).nats

    def aligned(starts: Ints) -> float:
        return boundary_scores(starts.tolist(), sorted(words), len(text)).f1

    def spans(nats: Floats, constraint: str) -> Ints:
        return np.flatnonzero(rises(nats, constraint))

    for constraint in ("monotonic", "combined"):
        found = spans(nats, constraint)
        assert aligned(found) > aligned(np.arange(0, len(text), len(text) // len(found))) + 0.15
        assert aligned(found) > aligned(spans(np.random.default_rng(1).permutation(nats), constraint)) + 0.15

    document = Document.of(text)
    ends = {span.end for span in build("bytespan:size=20", "segment", {"lm": lm})(document, tokenizer().offsets(text))}
    assert ends - {len(text)} <= set(spans(nats, "monotonic").tolist())


def test_h_net() -> None:
    """As many chunks as the ratio that the module was trained for, at sentences; from where H-Net starts, neither."""
    text = concatenated(1)[0]
    ratio = float(Tensors(WEIGHTS).metadata["ratio"])
    sentences = [0, *(match.end() for match in re.finditer(r"\. ", text))][:-1]
    starts = chunk_starts(text, lm())
    trained = boundary_scores(starts.tolist(), sentences, len(text)).f1
    assert 0.5 < len(text) / len(starts) / ratio < 2
    assert trained > 0.7

    states = lm().surprise(text, states=True).states
    assert states is not None
    same = np.eye(lm().width, dtype=np.float32)
    untrained = np.flatnonzero(begins(boundary_chances(states, same, same)))
    assert not 0.5 < len(text) / len(untrained) / ratio < 2
    assert boundary_scores(untrained.tolist(), sentences, len(text)).f1 < trained - 0.3
