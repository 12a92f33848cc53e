"""Cuts that a model is asked for, with an oracle in the model's place, beside controls that miss the point."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from chunkwise.models import Ask, CausalLM, Surprise
from chunkwise.recipe import build
from chunkwise.segment.asked import masked, memory, summarise
from chunkwise.segment.asked.memory import plan, score
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats, Span

SUBJECTS = {
    "mill": ["wheel", "river", "flour", "miller", "grain", "stone", "sluice", "sack"],
    "ship": ["mast", "harbour", "captain", "sail", "anchor", "storm", "deck", "cargo"],
    "court": ["judge", "witness", "verdict", "trial", "oath", "lawyer", "appeal", "prison"],
    "bees": ["hive", "honey", "queen", "swarm", "comb", "pollen", "keeper", "smoke"],
    "railway": ["engine", "station", "track", "signal", "driver", "ticket", "tunnel", "bridge"],
    "plague": ["fever", "doctor", "quarantine", "grave", "rumour", "cure", "cough", "priest"],
}


def story() -> tuple[list[str], list[int]]:
    """Paragraphs of three to eight on each of 30 topics, and the numbers of those that begin one."""
    chance = random.Random(7)
    paragraphs: list[str] = []
    begins: list[int] = []
    names = [chance.choice(list(SUBJECTS)) for _ in range(40)]
    topics = [name for name, before in zip(names, ["", *names], strict=False) if name != before][:30]
    for name in topics:
        begins.append(len(paragraphs))
        for _ in range(chance.randint(3, 8)):
            words = chance.choices(SUBJECTS[name], k=12)
            number = len(paragraphs)
            paragraphs.append(
                f"In chapter {number} the {words[0]} and the {words[1]} met the {words[2]}; after the {words[3]} there"
                f" came a {words[4]} with its {words[5]}. The {words[6]} of the {words[7]} was {number} years old."
            )
    return paragraphs, begins


PARAGRAPHS, BEGINS = story()
TEXT = "\n\n".join(PARAGRAPHS)
STARTS = [TEXT.index(PARAGRAPHS[number]) for number in BEGINS]


def topic(paragraph: str) -> str:
    words = set(re.findall(r"\w+", paragraph))
    return max(SUBJECTS, key=lambda name: len(words & set(SUBJECTS[name])))


def paragraphs_of(prompt: str) -> list[str]:
    return re.findall(r"^ID \d+: (.*)$", prompt, re.MULTILINE)


def fenced(prompt: str) -> str:
    return prompt.partition("\nTEXT ")[2].partition("\n")[2].rpartition("\nEND ")[0]


def cut(spec: str, text: str = TEXT, ask: Ask | None = None, lm: CausalLM | None = None) -> list[Span]:
    made = build(spec, "segment", {"ask": lambda: ask, "lm": lambda: lm})
    return list(made(Document.of(text), tokenizer().offsets(text)))


def f1(spans: Sequence[Span], truth: Sequence[int] = STARTS) -> float:
    found, true = {start for start, _ in spans[1:]}, set(truth[1:])
    return 2 * len(found & true) / (len(found) + len(true))


def first_shift(prompt: str) -> str:
    """The answer of a reader who knows where topics begin."""
    topics = [topic(paragraph) for paragraph in paragraphs_of(prompt)]
    shift = next((number for number, one in enumerate(topics, 1) if one != topics[0]), None)
    return "Answer: none" if shift is None else f"It turns there.\nAnswer: ID {shift}"


def test_lumberchunker() -> None:
    """Every true start and no other; chunks of the same size, cut with no regard to topics, hit next to none."""
    asked = cut("lumberchunker", ask=first_shift)
    size = round(tokenizer().count(TEXT) / len(asked))
    assert len(STARTS) >= 25
    assert f1(asked) == 1.0
    assert f1(cut(f"recursive:size={size}")) < 0.4
    assert f1(cut(f"fixed:size={size}")) < 0.1


def mistyped(words: str, chance: random.Random) -> str:
    """The words with two letters wrong, missing or doubled."""
    for _ in range(2):
        at = chance.randrange(len(words))
        words = words[:at] + chance.choice(["", "x", words[at] * 2]) + words[at + 1 :]
    return words


def lister(spoil: bool) -> Ask:
    chance = random.Random(3)

    def ask(prompt: str) -> str:
        if "CLASS" in prompt:
            return "Answer: CLASS 3"
        runs: list[list[str]] = []
        for paragraph in fenced(prompt).strip().split("\n\n"):
            if runs and topic(runs[-1][0]) == topic(paragraph):
                runs[-1].append(paragraph)
            else:
                runs.append([paragraph])
        ends = [(" ".join(run[0].split()[:8]), " ".join(run[-1].split()[-8:])) for run in runs]
        if spoil:
            ends = [(mistyped(head, chance), mistyped(tail, chance)) for head, tail in ends]
        return "\n".join(f"- {head} [MASK] {tail}" for head, tail in ends)

    return ask


def test_moc() -> None:
    """The lists give the true chunks back exactly, with typing errors too; exact match alone loses those."""
    whole, spoilt = "moc:size=2000,window=100000", lister(spoil=True)
    assert f1(cut(whole, ask=lister(spoil=False))) == 1.0
    assert f1(cut(whole, ask=spoilt)) == 1.0
    listed = masked.chunk_list(spoilt(f"\nTEXT x\n{TEXT}\nEND x\n"))
    exact = masked.starts(TEXT, listed, approximate=False) or []
    assert len(set(exact) & set(STARTS)) < len(STARTS) // 4


class Remembering:
    """A causal model of words: one that came before is likelier to come again."""

    name = "remembering"

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        seen = Counter(re.findall(r"\w+", given.lower()))
        total = sum(seen.values())
        starts, nats = [], []
        for found in re.finditer(r"\w+\W*|\W+", text):
            word = found[0].lower().strip(" .,\n")
            starts.append(found.start())
            nats.append(-np.log(0.5 / 5000 + 0.5 * seen[word] / max(1, total)))
            seen[word] += 1
            total += 1
        return Surprise(np.array(starts, dtype=np.int64), np.array(nats, dtype=np.float32))

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        raise AssertionError("plans are scored by what texts cost, never by a choice")


def drafts(prompt: str) -> str:
    """A poor first outline, which cuts within the topics and tells little; a good second one; an unreadable third."""
    topics = [topic(paragraph) for paragraph in paragraphs_of(prompt)]
    begins = [number for number, one in enumerate(topics) if not number or one != topics[number - 1]]
    if "draft 1 of" in prompt:
        numbers = [1, *(number + 2 for number in begins if 0 < number + 1 < len(topics))]
        return "\n".join(f"{number} | Part {number} | Things happen." for number in numbers)
    if "draft 2 of" in prompt:
        return "\n".join(
            f"{number + 1} | The {topics[number]} | Of {', '.join(SUBJECTS[topics[number]])}." for number in begins
        )
    return "I cannot do that."


def test_mom() -> None:
    """Of the drafts the one that cuts at the topics scores best and is taken; the first one alone cuts elsewhere."""
    prompt = "\n".join(f"ID {number}: {paragraph}" for number, paragraph in enumerate(PARAGRAPHS, 1))
    poor, good = (plan(drafts(f"draft {n} of 3\n{prompt}"), len(PARAGRAPHS)) for n in (1, 2))
    assert score(Remembering(), PARAGRAPHS, good) > score(Remembering(), PARAGRAPHS, poor) + 0.1
    spec = "mom:size=2000,window=100000,drafts="
    assert f1(cut(f"{spec}3", ask=drafts, lm=Remembering())) == 1.0
    assert f1(cut(f"{spec}1", ask=drafts, lm=Remembering())) < 0.1
    records = memory(Document.of(TEXT), tokenizer().offsets(TEXT), ask=drafts, lm=Remembering(), size=2000)
    honey = [record for record in records if record.heading == "The bees"]
    assert honey
    assert all(topic(record.layers(TEXT)[2]) == "bees" and "honey" in record.core for record in honey)


def test_summarization_eval() -> None:
    """Facts planted all through a text reach its summary; a summary of what one window holds misses most."""
    sentences = [f"Paragraph {n} of the report says again what was said in many others before it." for n in range(600)]
    facts = [f"FACT {n}." for n in range(12)]
    for n, fact in enumerate(facts):
        sentences.insert(50 * n + 30, fact)
    text = " ".join(sentences)
    read: list[str] = []

    def keep_facts(prompt: str) -> str:
        read.append(fenced(prompt))
        return " ".join(re.findall(r"FACT \d+\.", read[-1])) or "Nothing."

    made = summarise(Document.of(text), ask=keep_facts, tokenizer=tokenizer(), window=600)
    assert [fact for fact in facts if fact in made.text] == facts
    assert len(made.stages) > 1
    assert sorted(read) == sorted(stage.text[start:end] for stage in made.stages for start, end in stage.spans)
    first = made.stages[0].spans
    assert list(first) == cut("summary:size=600", text)
    assert "".join(text[start:end] for start, end in first) == text
    assert sum(fact in text[slice(*first[0])] for fact in facts) < 4
