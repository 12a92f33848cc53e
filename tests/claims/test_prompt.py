"""The claims of the layouts, each with a control that must lose."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest

from chunkwise.errors import FallbackWarning
from chunkwise.prompt import Layout, Prices, prompt, reuse
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span


def passage(number: int, score: float) -> Passage:
    text = f"Passage {number} tells of subject {number} and of nothing else. " * 12
    span = Span(1000 * number, 1000 * number + len(text))
    return Passage((f"{number}",), "a.md", span, (number, number), f"a.md:{number}", text, 150, score)


def by_score(passages: list[Passage], earlier: list[list[Passage]]) -> list[Passage]:
    return sorted(passages, key=lambda one: -one.score)


TURNS = [{1: 3, 4: 9, 6: 5, 8: 2}, {1: 2, 2: 6, 4: 3, 6: 8, 8: 1}, {0: 9, 1: 3, 4: 4, 6: 5, 8: 2, 9: 1}]


def test_prefix_stable() -> None:
    """Three questions on one document: how many tokens of the later prompts were read before."""

    def cached(layout: Layout) -> int:
        shown: list[list[Passage]] = []
        total = 0
        for turn, scores in enumerate(TURNS):
            order = layout([passage(number, score) for number, score in scores.items()], shown)
            earlier = [prompt(f"Question {number}?", one) for number, one in enumerate(shown)]
            found = reuse(prompt(f"Question {turn}?", order), earlier, tokenizer(), Prices(2, 1, least=0, block=1))
            total += found.cached
            best = max(order, key=lambda one: one.score)
            if layout is stable:
                assert best in (*order[:2], *order[-2:])
            shown.append(order)
        return total

    stable: Layout = build("prefix-stable", "layout")
    controls = [
        cached(build("by-position", "layout")),
        cached(Layout(by_score)),
        cached(build("best-at-ends", "layout")),
    ]
    assert cached(stable) > 1.5 * max(controls)


def test_best_at_ends() -> None:
    """Distance from the nearer end grows as the score falls; by position it does as it likes."""
    passages = [passage(number, score) for number, score in enumerate([1, 5, 9, 2, 7, 3, 8])]

    def apart(order: list[Passage]) -> list[int]:
        place = {one.score: min(at, len(order) - 1 - at) for at, one in enumerate(order)}
        return [place[score] for score in sorted(place, reverse=True)]

    ends = apart(build("best-at-ends", "layout")(passages, []))
    assert all(one <= other for one, other in pairwise(ends))
    control = apart(build("by-position", "layout")(passages, []))
    assert any(one > other for one, other in pairwise(control))


def test_by_position() -> None:
    """A story told in four passages stays in sequence; by score its end comes first."""
    story = [passage(number, score) for number, score in enumerate([2, 1, 3, 9])]

    def torn(order: list[Passage]) -> int:
        return sum(one.span > other.span for one, other in pairwise(order))

    assert torn(build("by-position", "layout")(story, [])) == 0 < torn(by_score(story, []))


def test_5c_prompt() -> None:
    """All five fields, in fewer tokens than the same said as a template in XML, and than as JSON."""
    names = ("character", "cause", "constraint", "contingency", "calibration")
    said = {name: f"Text of the field {name} here." for name in names}
    spec = "5c-prompt:" + ",".join(f"{name}={text}" for name, text in said.items())
    written = build(spec, "prompt")("When?", [])
    assert all(text in written for text in said.values())
    own = tokenizer().count(written)
    tagged = "".join(f"<{name}>\n  {text}\n</{name}>\n" for name, text in said.items())
    for template in (f"<prompt>\n{tagged}</prompt>", json.dumps({"contract": said}, indent=2)):
        control = tokenizer().count(f"{template}\n\n(no passages)\n\nQuestion: When?")
        assert own < 0.85 * control


def test_recycle_fewshot() -> None:
    """Each example cites a passage that is there and holds its answer; the context stands once."""

    def writer(prompt: str) -> str:
        number = re.search(r"subject (\d+)", prompt)
        return f"Question: What does it tell of?\nAnswer: subject {number[1] if number else 0}"

    passages = [passage(number, 1) for number in range(6)]
    made = build("recycle-fewshot:count=3", "prompt", {"ask": lambda: writer})("What of 5?", passages)
    cited = re.findall(r"Answer: \[(\d)\] subject (\d)", made)
    assert len(cited) == 3
    assert all(int(number) == int(subject) + 1 for number, subject in cited)
    assert made.count(passages[0].text.strip()) == 1
    assert made.endswith("Question: What of 5?")
    # the control: a writer who invents answers is not shown
    control = build("recycle-fewshot", "prompt", {"ask": lambda: lambda prompt: "Question: What?\nAnswer: nonsense"})
    with pytest.warns(FallbackWarning, match="3 of 3"):
        assert "Answer:" not in control("What of 5?", passages)


def test_promptquine() -> None:
    """A score that needs six of sixty words: evolution finds a short prompt, as many random cuts lose the score."""
    random = np.random.default_rng(1)
    words = [f"word{number}" for number in range(60)]
    needed = set(random.choice(60, 6, replace=False).tolist())

    def score(prompt: str) -> float:
        there = {int(word.removeprefix("word")) for word in prompt.split()}
        return len(needed & there) / len(needed)

    prompt = " ".join(words)
    short = build("promptquine", "prompt")(prompt, score)
    assert score(short) == score(prompt)
    length = len(short.split())
    assert length < 30
    control = [" ".join(random.choice(words, length, replace=False)) for _ in range(200)]
    assert np.mean([score(one) for one in control]) < 0.7
