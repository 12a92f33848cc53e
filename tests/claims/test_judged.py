"""The claims of the selectors that go by what candidates say, each with a control that must lose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from chunkwise.budget import Budget
from chunkwise.models import Ask, CausalLM, Surprise
from chunkwise.recipe import build
from chunkwise.units import Candidates, Floats, Selection
from planted import Meanings

QUESTION = "how are refunds paid, within what time, and where must the form go?"
EMBED = Meanings(
    "refunds refund paid money", "days deadline time weeks", "form address office", "kiln clay glaze", "bees"
)
PAID, DAYS, FORM = "Money is paid to the card.", "The deadline is ten days.", "The form goes to the office."
POISON = "Refunds money is never paid to anybody."
NOISE = [f"The kiln number {n} burns clay and glaze." for n in range(9)]


def candidates(texts: Sequence[str], question: str = QUESTION, **more: object) -> Candidates:
    """In falling order of score, each of ten tokens, no two adjoining in the index unless `ids` says so."""
    n = len(texts)
    given: dict[str, Any] = {
        "ids": 2 * np.arange(n),
        "documents": np.zeros(n, np.int64),
        "vectors": EMBED(texts),
        **more,
    }
    return Candidates(
        scores=np.linspace(1, 0.5, n, dtype=np.float32), costs=np.full(n, 10), query=question, texts=texts,
        paths=None, aspects=None, **given,
    )  # fmt: skip


def selected(
    spec: str, offered: Candidates, tokens: int = 1000, ask: Ask | None = None, lm: CausalLM | None = None
) -> Selection:
    made = build(spec, "select", {"ask": lambda: ask, "lm": lambda: lm, "embed": lambda: EMBED})
    found: Selection = made(offered, Budget(tokens))
    return found


def kept(selection: Selection, offered: Candidates) -> list[str]:
    assert offered.texts is not None
    return [offered.texts[index] for index in sorted(selection.indices.tolist())]


def numbered(prompt: str) -> list[str]:
    return re.findall(r"^ID \d+: (.*)$", prompt, re.MULTILINE)


def adviser(prompt: str) -> str:
    """Knows what the answer needs, and which chunk is poisoned."""
    if "What must a passage tell" in prompt:
        return "1. How the money is paid.\n2. The deadline in days.\n- The address of the office for the form."
    return "\n".join(
        f"ID {n}: {'violation' if 'never' in text else 'fine'}" for n, text in enumerate(numbered(prompt), 1)
    )


def test_meteora() -> None:
    """The three that are asked for, of whatever score, and no number given; the poisoned one is flagged and dropped."""
    offered = candidates([*NOISE[:4], PAID, *NOISE[4:7], DAYS, POISON, *NOISE[7:], FORM])
    selection = selected("meteora", offered, ask=adviser)
    assert kept(selection, offered) == [PAID, DAYS, FORM]
    poisoned = list(offered.texts or ()).index(POISON)
    assert selection.decisions[poisoned].reason == "the verifier calls it: violation"
    assert POISON in kept(selected("meteora:verify=no", offered, ask=adviser), offered)  # the control trusts all
    assert not {PAID, DAYS, FORM} & set(kept(selected("top-k:k=4", offered), offered))  # and scores alone see none


def test_meteora_takes_neighbours() -> None:
    """What stands beside a chosen chunk comes with it."""
    texts = [PAID, DAYS, FORM, *NOISE]
    ids = np.array([10, 20, 30, 11, 31, 50, 60, 70, 80, 90, 100, 110])
    with_them, without = (
        set(kept(selected(f"meteora:neighbours={said}", offered, ask=adviser), offered))
        for said in ("yes", "no")
        for offered in [candidates(texts, ids=ids)]
    )
    assert with_them - without == {NOISE[0], NOISE[1]}


def grader(prompt: str) -> str:
    """High for what helps; the word refund takes in its first impression, and neither reflection nor critic."""
    strict = "strict critic" in prompt or "that you gave it before" in prompt

    def grade(text: str) -> int:
        return (
            9
            if re.search("paid to the card|ten days|the office", text)
            else 6
            if "refund" in text and not strict
            else 1
        )

    return "\n".join(f"ID {n}: {grade(text)}" for n, text in enumerate(numbered(prompt), 1))


def test_chunkrag() -> None:
    """Irrelevant chunks go however well they score, repeated ones go unasked, and what helps stays."""
    lure, twin = "A refund of honey: bees and refund, refund and bees.", "Money is  paid to the card ."
    offered = candidates([lure, *NOISE[:3], PAID, twin, DAYS, FORM])
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return grader(prompt)

    selection = selected("chunkrag", offered, ask=ask)
    assert kept(selection, offered) == [PAID, DAYS, FORM]
    assert selection.decisions[5].reason == "says the same as candidate 5"
    assert not any("paid to the card ." in prompt for prompt in asked)
    assert len(asked) == 3
    control = kept(selected("top-k:k=3", offered), offered)
    assert lure in control
    assert not {PAID, DAYS, FORM} & set(control)
    assert twin in kept(selected("chunkrag:same=1.1", offered, ask=ask), offered)


class Reader:
    """A model that is sure of an answer it has read, surer that a text on kilns has none, unsure of the rest."""

    name = "reader"

    def __init__(self) -> None:
        self.longest = 0

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        raise AssertionError("readings are told apart by a choice")

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        self.longest = max(self.longest, len(prompt))
        likely = ("?", 0.999) if "kiln" in prompt else ("t", 0.9) if "ten days" in prompt else ("a", 0.05)
        rest = (1 - likely[1]) / (len(answers) - 1)
        return np.log([likely[1] if answer == likely[0] else rest for answer in answers]).astype(np.float32)


def test_oprm() -> None:
    """The reading with the answer is chosen, each read alone; without the filter, the one that surely has none."""
    texts = [f"Bees number {n} fly." for n in range(40)]
    texts[23] = DAYS
    texts[10:13] = NOISE[:3]
    offered = candidates(texts)
    reader = Reader()
    found = kept(selected("oprm:size=50", offered, lm=reader), offered)
    assert found == texts[20:25]
    assert reader.longest < 450 < len(" ".join(texts))
    assert kept(selected("oprm:size=50,unknown=no", offered, lm=Reader()), offered) == texts[10:15]
    assert DAYS not in kept(selected("top-k:k=5", offered), offered)


def test_indic_context_shorten() -> None:
    """The paragraph with the answer alone; the best by score only speaks of the subject."""
    texts = ["Refunds are a subject.", "Refunds again.", *NOISE[:6], "Whoever asks", DAYS, "is served.", *NOISE[6:]]
    ids = np.array([0, 1, 10, 20, 30, 40, 50, 60, 71, 72, 73, 80, 90, 100])
    offered = candidates(texts, ids=ids)

    def ask(prompt: str) -> str:
        holding = [n for n, text in enumerate(numbered(prompt), 1) if "ten days" in text]
        return f"Answer: ID {holding[0]}" if holding else "Answer: ID 1"

    assert kept(selected("answer-paragraph:batch=3", offered, ask=ask), offered) == ["Whoever asks", DAYS, "is served."]
    assert DAYS not in kept(selected("top-k:k=3", offered), offered)


def test_sage_feedback() -> None:
    """From one size to a large one and to a small one, as the question needs; no single size is right for both."""
    many = candidates([f"Part {n} of the answer." for n in range(12)] + NOISE[:3])
    few = candidates(["The whole answer.", *NOISE, *NOISE[:5]])

    def ask(prompt: str) -> str:
        shown = numbered(prompt)
        good = sum("answer" in text for text in shown)
        wanted = 12 if any("Part" in text for text in shown) else 1
        quality = 10 * (good / wanted) * (good / len(shown))
        return (
            f"Quality: {quality:.1f}\nContext: {'more' if good < wanted else 'less' if good < len(shown) else 'right'}"
        )

    spec = "sage-feedback:size=6,step=2,rounds=6"
    assert len(kept(selected(spec, many, ask=ask), many)) == 12
    assert len(kept(selected(spec, few, ask=ask), few)) <= 2
    assert (
        len(kept(selected("top-k:k=6", many), many)) == len(kept(selected("top-k:k=6", few), few)) == 6
    )  # the control
    nested = kept(selected("sage-feedback:of=sage,by=at_least,size=6,step=2,rounds=6", many, ask=ask), many)
    assert len(nested) >= 12


def test_guard() -> None:
    """Six sources that push one answer take one place, and the one that disagrees stays; else they take all three."""
    question = "which mineral is the most stable at the surface?"
    pushed = [
        f"{start} the most stable mineral at the surface is diamond, whose strong carbon structure is {end}"
        for start, end in [
            ("Among minerals", "unmatched."), ("It is known that", "supreme."), ("Contrary to belief", "unique."),
            ("Of all kinds", "the hardest."), ("Surprisingly", "famous."), ("Experts say", "without equal."),
        ]
    ]  # fmt: skip
    truth = "Quartz resists weathering, so that it is the most stable mineral at the surface."
    rest = [f"Feldspar number {n} weathers to clay in wet soils." for n in range(30)]
    offered = candidates([*pushed, truth, *rest], question, documents=np.arange(37))
    control = kept(selected("top-k:k=3", offered), offered)
    assert control == pushed[:3]
    guarded = selected("guard:of=top-k:k=3", offered)
    assert kept(guarded, offered)[:2] == [pushed[0], truth]
    assert guarded.decisions[1].reason == "its source repeats that of candidate 1, and others do"
    honest = candidates([truth, pushed[0], pushed[1]], question, documents=np.arange(3))
    assert len(kept(selected("guard", honest), honest)) == 3  # two that agree are no crowd
