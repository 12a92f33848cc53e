"""Each compressor holds what it claims, where a control does not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from chunkwise.asking import Asking
from chunkwise.budget import Budget
from chunkwise.compress.digest import Information, digested
from chunkwise.compress.memory import Memory
from chunkwise.compress.statement import Statement
from chunkwise.compress.thought import concluded, enough
from chunkwise.compress.unit import phrases
from chunkwise.engine.byte_lm import ByteLM
from chunkwise.models import Ask
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage, Span
from planted import Trigrams
from supplies import SUPPLIES

FILLER = [
    "The weather along the coast was mild for most of that season.",
    "Several committees met in the afternoon and went home again.",
    "A new roof was put on the old barn behind the orchard.",
    "The choir sang twice before the lamps were put out.",
    "Bread was baked at night and sold at the market by noon.",
    "Some of the older boats were painted green and white.",
]


def passage(text: str, score: float, start: int = 0) -> Passage:
    span = Span(start, start + len(text))
    return Passage((text,), f"{start}.md", span, (1, 1), f"{start}.md:1", text, tokenizer().count(text), score)


def squeezed(spec: str, query: str, passages: Sequence[Passage], tokens: int, **models: object) -> list[Passage]:
    supplies = {**SUPPLIES, **{name: (lambda made=made: made) for name, made in models.items()}}
    got: list[Passage] = build(spec, "compress", supplies)(query, passages, Budget(tokens))
    assert sum(tokenizer().count(one.text) for one in got) <= tokens
    return got


def text_of(passages: Sequence[Passage]) -> str:
    return "\n".join(one.text for one in passages)


def fenced(prompt: str) -> str:
    return prompt.partition("\nTEXT ")[2].partition("\n")[2].rpartition("\nEND ")[0]


def test_truncate() -> None:
    """The best passage is whole; cutting the passages in the order they stand in would have spent it on the first."""
    dull, best = passage("Nothing of note was said that day. " * 5, 1), passage("Refunds take ten days.", 9, 1000)
    budget = Budget(best.tokens + 4)
    got = build("truncate", "compress", SUPPLIES)("refunds?", [dull, best], budget)
    assert got[-1] == best
    assert got[0].text == "Nothing of note was"
    in_order = tokenizer().offsets(f"{dull.text}{best.text}").starts[budget.tokens]
    assert best.text not in f"{dull.text}{best.text}"[:in_order]


def test_extract() -> None:
    """Two parts of the answer that stand late in two passages are both kept; what begins the passages is not them."""
    found = ["The kiln at Arden is heated with beech wood.", "Glaze of the kiln costs nine crowns a pot."]
    passages = [
        passage(" ".join([*FILLER, fact, *FILLER]), 5 - number, 10_000 * number) for number, fact in enumerate(found)
    ]
    asked = "what is the kiln heated with and what does its glaze cost?"
    got = text_of(squeezed("extract", asked, passages, 40))
    assert all(fact in got for fact in found)
    control = text_of(squeezed("truncate", asked, passages, 40))
    assert not any(fact in control for fact in found)


def test_selective_context() -> None:
    """Of phrases planted in stock sentences a language model keeps what it could not foretell; chance loses more."""
    chance = random.Random(5)
    names = ["Zuberoa", "Kvitsoy", "Oudtshoorn", "Ylojarvi", "Tlaxcala", "Ngorongoro", "Qaqortoq", "Xalapa"]
    facts = [f"{name} {chance.randint(1000, 9999)}" for name in names]
    stock = "It is one of the most important things in the world, and there are a lot of people in the state of"
    text = " ".join(f"{stock} {fact}." for fact in facts)
    whole = passage(text, 1)
    tokens = whole.tokens // 2
    kept = text_of(squeezed("selective-context", "?", [whole], tokens, lm=ByteLM()))
    share = sum(word in kept for fact in facts for word in fact.split()) / (2 * len(facts))
    cut = phrases(whole)
    random_shares = []
    for _ in range(20):
        order = chance.sample(cut, len(cut))
        said = ""
        for start, end in order:
            if tokenizer().count(said + text[start:end]) <= tokens:
                said += text[start:end]
        random_shares.append(sum(word in said for fact in facts for word in fact.split()) / (2 * len(facts)))
    assert share > 0.8
    assert share > np.mean(random_shares) + 0.2


def test_comi() -> None:
    """At a thirty-second of the tokens each of three facts is kept once; by relevance alone one fact takes all."""
    chance = random.Random(1)
    one = "The refund of a ticket is paid out after ten working days"
    others = ["A refund of a ticket costs a fee of two crowns.", "No refund of a ticket is made at the harbour office."]
    sentences = [f"{one}{end}" for end in [".", " now.", " here.", " again.", " too.", "!"]] + others
    letters = "abdeghilmnoprsuvwz"
    invented = ["".join(chance.choices(letters, k=6)) for _ in range(320 * 8)]
    sentences += [f"{' '.join(invented[at : at + 8]).capitalize()}." for at in range(0, len(invented), 8)]
    chance.shuffle(sentences)
    passages = [passage(" ".join(sentences[at : at + 40]), 1, 100_000 * at) for at in range(0, len(sentences), 40)]
    tokens = sum(one.tokens for one in passages) // 32
    asked = "refund of a ticket"
    meaning = Trigrams(256)
    got = text_of(squeezed("comi", asked, passages, tokens, embed=meaning))
    assert all(fact in got for fact in others)
    assert got.count(one) == 1
    control = text_of(squeezed("comi:redundancy=0", asked, passages, tokens, embed=meaning))
    assert control.count(one) > 3


def forgetful(prompt: str) -> str:
    """A summariser that keeps the words of its text in general and drops every name and number."""
    words = re.findall(r"\b[a-z]+\b", fenced(prompt))
    allowed = int(re.findall(r"at most (\d+) words", prompt)[0])
    return " ".join(words[: allowed // 2]) + "."


def test_scope() -> None:
    """Names and numbers of what is relevant survive a model that drops them, and more of it is said than of the rest.

    The same replies without the guarantee have none of them.
    """
    relevant = (
        "The contract of Ilse Brandt was signed in Lisbon for 4,820 crowns. It was kept by the notary for as long as"
        " the contract ran. Her contract was then renewed by the notary in 1988 after a long debate over its terms."
    )
    dull = " ".join(FILLER)
    passages = [
        passage(dull, 1),
        passage(relevant, 1, 10_000),
        passage(" ".join(FILLER[::-1]), 1, 20_000),
    ]
    tokens = sum(one.tokens for one in passages) // 3
    asked = "where was the contract signed and for how much?"
    models = {"ask": forgetful, "embed": Trigrams()}
    got = {one.source: one for one in squeezed("scope", asked, passages, tokens, **models)}
    named = ["Ilse Brandt", "Lisbon", "4,820"]
    assert all(word in got["10000.md"].text for word in named)
    ratios = [got[one.source].tokens / one.tokens if one.source in got else 0.0 for one in passages]
    assert ratios[1] > 1.3 * max(ratios[0], ratios[2])
    control = text_of(squeezed("scope:keep=0", asked, passages, tokens, **models))
    assert not any(word in control for word in named)


def test_context_shorten() -> None:
    """The sentence that answers is kept under the name it is about; by its own words it is neither found nor clear."""
    text = "Marie Curie was a physicist whom all of Paris knew. She won the prize for her work in 1903. " + " ".join(
        FILLER
    )
    other = "Irene Joliot lived in Paris too. The prize was talked about by all who knew Marie well, and won again."
    passages = [passage(other, 1), passage(text, 1, 10_000)]
    asked = "when did Marie Curie win the prize?"
    (got,) = squeezed("context-shorten", asked, passages, 14, embed=Trigrams())
    assert got.text == "Marie Curie won the prize for her work in 1903."
    assert got.origin(0, len("Marie Curie")) is None  # it stands there as "She"
    assert got.origin(11, len(got.text)) is not None
    assert "Marie Curie won" not in text_of(squeezed("extract", asked, passages, 14))


def test_kant() -> None:
    """A key phrase leads to its fact among forty, in a quarter of the tokens; the first that fit are seldom it."""
    chance = random.Random(2)
    words = ["copper", "willow", "amber", "granite", "velvet", "falcon", "meadow", "cobalt", "juniper", "harbour"]
    keys = [f"{one} {other}" for one in words for other in words if one != other]
    facts = {key: f"The {key} valve is set to {chance.randint(100, 999)} at noon." for key in chance.sample(keys, 40)}
    passages = [passage(" ".join(list(facts.values())[at : at + 4]), 1, 10_000 * at) for at in range(0, len(facts), 4)]
    tokens = sum(one.tokens for one in passages) // 4
    reached, control = 0, 0
    for key, fact in list(facts.items())[::2]:
        asked = f"what is the {key} valve set to?"
        reached += fact in text_of(got := squeezed("kant", asked, passages, tokens))
        control += fact in text_of(squeezed("truncate", asked, passages, tokens))
    assert reached >= 19
    assert control <= 6
    told = {one.source for one in got}
    assert len(told) > 5  # those that were not called up are there by their phrases


def remembering(prompts: list[str]) -> Ask:
    """A reader that writes down each fact under its key, and nothing else."""

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        found = re.findall(r"The (\w+) costs (\d+) crowns", fenced(prompt))
        return "\n".join(f"SET number/{key}: {value} crowns" for key, value in found) or "NONE"

    return ask


def shared(prompts: Sequence[str]) -> float:
    """The part of each prompt that begins as the one before it did, over all."""
    same = sum(
        next((at for at, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), min(map(len, pair)))
        for pair in pairwise(prompts)
    )
    return same / sum(map(len, prompts[1:]))


def test_prism() -> None:
    """Facts from the first passage to the last are there at the end, changed ones as they are now, within the budget.

    Prompts share all that stands before the new passage; with the passage first, or the memory in the order of its
    keys, they share far less. Keeping what fits of the passages themselves loses most facts.
    """
    chance = random.Random(3)
    things = [*"abcdefghijklmnop"]
    chance.shuffle(things)
    prices = {f"thing{thing}": 10 + number for number, thing in enumerate(things)}
    texts = [
        f"{chance.choice(FILLER)} The {key} costs {price} crowns. {chance.choice(FILLER)}"
        for key, price in prices.items()
    ]
    first = next(iter(prices))
    texts.append(f"{FILLER[0]} The {first} costs 99 crowns.")
    passages = [passage(text, 1, 10_000 * number) for number, text in enumerate(texts)]
    tokens = 180
    prompts: list[str] = []
    got = text_of(squeezed("prism", "what does each thing cost?", passages, tokens, ask=remembering(prompts)))
    now = {**prices, first: 99}
    assert all(f"{key}: {price} crowns" in got for key, price in now.items())
    assert f"{first}: 10 crowns" not in got
    memories = [prompt.partition("\nMEMORY\n")[2].partition("\nTEXT ")[0] for prompt in prompts]
    assert max(map(tokenizer().count, memories)) <= tokens
    heads = [prompt.partition("\nTEXT ")[0] for prompt in prompts]
    assert all(after.startswith(before) for before, after in pairwise(heads))
    by_key = [
        prompt.replace(memory, "\n".join(sorted(memory.splitlines())))
        for prompt, memory in zip(prompts, memories, strict=True)
    ]
    passage_first = [f"{fenced(prompt)}\n{head}" for prompt, head in zip(prompts, heads, strict=True)]
    assert shared(prompts) > 0.75
    assert shared(prompts) > shared(by_key) + 0.02
    assert shared(passage_first) < 0.2
    control = text_of(squeezed("truncate", "what does each thing cost?", passages, tokens))
    assert sum(f"{key} costs {price}" in control for key, price in now.items()) < len(now) // 2


def merging(prompt: str) -> str:
    """A reader that says each statement once, with the numbers of all parts that say it."""
    if "[1][3]" not in prompt:
        number = re.findall(r"Begin each line with \[(\d+)\]", prompt)[0]
        return "\n".join(f"[{number}] {line.strip()}." for line in fenced(prompt).split(".") if line.strip())
    marks: dict[str, list[str]] = {}
    for mark, text in re.findall(r"^((?:\[\d+\])+) (.+)$", fenced(prompt), re.MULTILINE):
        marks.setdefault(text, []).extend(number for number in re.findall(r"\[\d+\]", mark))
    return "\n".join(f"{''.join(dict.fromkeys(mark))} {text}" for text, mark in marks.items())


def test_mapreduce_v2() -> None:
    """Each layer of merging tells more for a token, and all passages are cited, also by a model that leaves some out.

    A reader that merges nothing gains nothing; the beginning of the material cites few of the passages.
    """
    shared_facts = ["The harbour was deepened for the larger ships", "The old mill was turned into a school for girls"]
    own = [f"The {word} guild gave {number + 11} crowns" for number, word in enumerate(
        ["weavers", "coopers", "tanners", "masons", "bakers", "smiths", "millers", "joiners"])]  # fmt: skip
    passages = [passage(f"{'. '.join([*shared_facts, fact])}.", 1, 10_000 * at) for at, fact in enumerate(own)]
    whole = sum(one.tokens for one in passages)
    tokens = whole // 2

    def run(ask: Ask) -> list[float]:
        with Asking(ask, "test", "nothing") as asking:
            made = digested(passages, "what was given?", 3, tokens, lambda *_: (), asking, tokenizer())
        return list(made.information)

    information = run(merging)
    assert len(information) >= 4
    assert all(after > before for before, after in pairwise(information[:3]))
    assert information[-1] > 1.5 * information[0]

    def careless(prompt: str) -> str:
        return merging(prompt).splitlines()[0]

    for ask in (merging, careless):
        got = squeezed("mapreduce-v2", "what was given?", passages, tokens, ask=ask)
        assert {one.source for one in got} == {one.source for one in passages}
    control = squeezed("truncate", "what was given?", passages, tokens)
    assert len(control) < 6
    told = Information(passages, "what was given?")
    assert told([Statement("The old mill", (0,))] * 2) == told([Statement("The old mill", (0,))])


def trace(*conclusions: str) -> str:
    """Thoughts that end on these answers, with arithmetic of their own before each."""
    steps = [
        f"{'Wait, let me check that. ' if number else ''}We take {number + 3} crates of {number + 7} jars, and the"
        f" weight of each jar is added in turn, step {number}, until all of them are on the scale."
        f" So the answer is {one}."
        for number, one in enumerate(conclusions)
    ]
    return "\n\n".join(["The question is how many jars there are in the cellar of the house.", *steps])


def test_trimr() -> None:
    """A trace stops at the second agreeing answer, its answer as before; as many tokens of its beginning have another.

    One that finds at last that it was wrong is not stopped at what it then took back.
    """
    long = trace("41", "42", "42.0", "$42$", "42", "42", "42")
    whole = passage(long, 1)
    (got,) = squeezed("trimr", "how many jars?", [whole], whole.tokens)
    assert got.tokens < 0.6 * whole.tokens
    assert concluded(got.text) == concluded(long) == "42"
    assert enough(["41", "42", "42", "42"], 2) == 3
    (short,) = squeezed("trimr", "how many jars?", [whole], 60)
    assert concluded(short.text) == "42"
    (control,) = squeezed("truncate", "how many jars?", [whole], 60)
    assert concluded(control.text) != "42"
    turned = passage(trace("41", "41", "41", "42", "42", "42"), 1)
    (got,) = squeezed("trimr", "how many jars?", [turned], turned.tokens)
    assert concluded(got.text) == "42"
    assert enough(["41", "41", "41", "42"], 2) == 2  # which a trace that is still being written would be stopped at


@pytest.mark.parametrize("bound", [0, 5, 40])
def test_a_memory_keeps_to_its_bound(bound: int) -> None:
    worth: Callable[[str], float] = len
    memory = Memory(bound, worth, tokenizer())
    for number in range(50):
        memory.write(f"fact/{number % 7}", Statement(f"fact/{number % 7}: value {number} of many", (0,)))
        memory.write(f"fact/{number % 3}", None)
        assert memory.tokens <= bound
