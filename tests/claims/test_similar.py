"""Each cut by likeness: its point, beside a control that misses it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest

from chunkwise.embed import embedder
from chunkwise.recipe import build
from chunkwise.segment.group import packed
from chunkwise.segment.similar.paired import trained_for
from chunkwise.segment.similar.signal import short_sentences
from chunkwise.tokens import tokenizer
from chunkwise.units import Document

TOPICS = {
    "sea": "the harbour|a fishing boat|the captain|the rising tide|an old sailor|the lighthouse|a heavy net|the anchor",
    "kitchen": "the baker|a warm loaf|the oven|a pinch of salt|the cook|a copper pan|the butter|fresh dough",
    "law": "the judge|a signed contract|the court|the witness|an appeal|the lawyer|a binding clause|the verdict",
    "garden": "the gardener|a row of roses|the soil|a packet of seeds|the hedge|an apple tree|the lawn|a rake",
    "space": "the astronaut|a distant planet|the rocket|an orbit|the telescope|a comet|the galaxy|a lunar crater",
    "music": "the violinist|a slow melody|the orchestra|a piano|the conductor|a minor chord|the choir|the concert hall",
}
FRAMES = (
    "By the early morning {} had been seen near {} and {}.",
    "Nobody who knew {} would have spoken of {} without {}.",
    "It was said that {} mattered far more than {} or even {}.",
    "After some time {} was brought together with {} and with {}.",
    "In every story about {} there is also {}, and often {}.",
)


def story(seed: int, parts: int = 30) -> tuple[str, list[int]]:
    """One line of prose on changing topics, two to twelve sentences each, and where each topic but the first begins."""
    chance = random.Random(seed)
    topic, texts = "", []
    for _ in range(parts):
        topic = chance.choice([name for name in TOPICS if name != topic])
        words = TOPICS[topic].split("|")
        made = [chance.choice(FRAMES).format(*chance.sample(words, 3)) for _ in range(chance.randint(2, 12))]
        texts.append(" ".join(made) + " ")
    return "".join(texts), list(accumulate(map(len, texts)))[:-1]


@cache
def static() -> Any:
    return embedder("static")


def cut(spec: str, text: str) -> list[int]:
    made = build(spec, "segment", {"embed": static})
    return [end for _, end in made(Document.of(text), tokenizer().offsets(text))][:-1]


def found(spec: str, seeds: Sequence[int] = (1, 2, 3)) -> tuple[float, float]:
    """Precision and recall of the topics' beginnings, a blank more or less."""
    hits = cuts = golds = 0
    for seed in seeds:
        text, gold = story(seed)
        ends = cut(spec, text)
        hits += sum(any(abs(end - start) <= 1 for end in ends) for start in gold)
        cuts, golds = cuts + len(ends), golds + len(gold)
    return hits / cuts, hits / golds


def test_semantic() -> None:
    """Its cuts are changes of topic; as many cuts of a fixed or recursive size are none, whatever the vectors."""
    precision, _ = found("semantic:percentile=85,around=2")
    assert precision > 0.85
    for control in ("fixed:size=120", "recursive:size=120"):
        assert found(control)[0] < 0.4


def test_semantic_clusters() -> None:
    """Nearly all topics of two to twelve sentences and little else; neither sizes nor clusters of one length do."""
    precision, recall = found("semantic-clusters")
    assert precision > 0.85
    assert recall > 0.85
    lengths = [len(tokenizer().offsets(text)) / (len(gold) + 1) for text, gold in map(story, (1, 2, 3))]
    same_size = round(sum(lengths) / len(lengths))
    for control in (f"recursive:size={same_size}", f"semantic-clusters:size={same_size},strictness=1000"):
        precision, recall = found(control)
        assert min(precision, recall) < 0.4


PARAGRAPHS = (
    "The road ran down through the pines to the river. It was steep, and the wheels had worn it hollow. "
    "In spring the water came over it and nothing could pass.\n"
    "My uncle kept the inn at the ford. He was a silent man, and he had been a soldier once. "
    "He never spoke of it to any of us.\n"
    "“You had better stay the night,” he said to the stranger. “There will be snow before the morning comes.” "
    "The stranger thanked him and sat down by the fire.\n"
    "Now it must be told how the quarrel began between the two houses. It was about a field of barley, no larger than "
    "a churchyard. Neither side would give it up, for it had been their grandfathers'.\n"
    "Chapter and verse were quoted on both sides for thirty years. The lawyers grew fat upon it. "
    "In the end the field itself was sold to pay them.\n"
    "On the next day we rose early and went out. The snow lay over everything, and it was very still. "
    "We could hear the mill wheel turning a mile away.\n"
    "“I do not believe a word of it,” cried Margaret. “He was always a coward, and he will be one to the last!” "
    "She threw her gloves upon the table and left the room.\n"
    "Of all the virtues patience is the least admired. Men praise it in others, and most of all in their servants. "
    "Few of them have ever tried it for themselves.\n"
    "When the ship had been three weeks at sea the bread gave out. The captain ordered half rations for every man. "
    "He took the same himself, and nobody complained of it.\n"
    "She was at that time about nineteen years of age. Her hair was dark, and her eyes were of a clear grey. "
    "Everyone who saw her thought that she was older.\n"
    "The next morning brought a letter from London. It was short, and it had been written in great haste. "
    "It said only that the house was to be sold.\n"
    "It remains to speak of the soil and of the climate. The soil is a stiff clay, and it holds the rain badly. "
    "The summers are short, but they are warm enough for corn.\n"
)


def test_sage_segment() -> None:
    """On its own kind of joint, where a new paragraph begins in plain narrative, better than cosine and than chance."""
    paragraphs = [line + " " for line in PARAGRAPHS.splitlines()]
    text = "".join(paragraphs)
    gold = np.isin(short_sentences(Document.of(text))[1:-1], list(accumulate(map(len, paragraphs))))
    bounds = short_sentences(Document.of(text)).tolist()
    vectors = static()([text[start:end] for start, end in pairwise(bounds)])
    classifier = trained_for(static().name)
    assert classifier is not None, "the static table is newer than its classifier: run scripts/train_sage_segment.py"

    def order(score: Any) -> float:
        """Chance that a joint scores above a gap that is none."""
        return float((score[gold][:, None] > score[~gold][None, :]).mean())

    trained, plain = order(-classifier.together(vectors)), order(-(vectors[1:] * vectors[:-1]).sum(1))
    assert len(gold) > 20
    assert gold.sum() == len(paragraphs) - 1
    assert trained > 0.6
    assert trained > plain
    assert trained > order(np.random.default_rng(0).random(len(gold)))
    ends = set(cut("sage-segment", text))
    share = sum(start in ends for start in accumulate(map(len, paragraphs))) / max(1, len(ends))
    assert share > gold.mean()
    assert 0.5 < len(ends) / gold.sum() < 2


@pytest.mark.parametrize("text", [story(4)[0], PARAGRAPHS * 4])
def test_late(text: str) -> None:
    """Every span lies whole in a window that the encoder reads at once; spans cut by size alone cross their borders."""
    document, offsets = Document.of(text), tokenizer().offsets(text)
    seen = packed(text, offsets, short_sentences(document), 192)
    borders = [end for _, end in seen[:-1]]
    assert all(offsets.count(*window) <= 192 for window in seen)
    assert len(borders) > 3

    def crossing(spec: str) -> int:
        spans = pairwise([0, *cut(spec, text), len(text)])
        return sum(any(start < border < end for border in borders) for start, end in spans)

    assert crossing("late:size=64,window=192") == 0
    for control in ("recursive:size=64", "fixed:size=64"):
        assert crossing(control) >= len(borders) // 3
