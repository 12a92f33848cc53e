"""Questions made from documents: whatever the text, their evidence stands where they say."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import EndpointError, FallbackWarning
from chunkwise.evaluate import Question
from chunkwise.evaluate.questions import BLANK, from_model, from_text
from chunkwise.units import Document

BRIDGE = Document.of(
    """# The bridge

The Halvorsen bridge is a stone crossing over the river Emm near the old mill. It was paid for by the weavers.
Masons set 14 arches across the water before the first winter came to the valley.
The keystone was brought up the hill by oxen in the spring of that year.

| year | toll |
|---|---|
| The table has a sentence that nobody should be asked about. | 3 |

See https://example.org/bridge for the whole of the archive and what else is there.
""",
    "/docs/bridge.md",
    "text/markdown",
)
CODE = Document.of(
    '''"""A module about barrels that are rolled down to the harbour."""


def turned(barrel, times):
    """Return the barrel turned around a number of times.

    Coopers in Bergen preferred walnut staves because they swell so slowly.
    """
    return barrel * times


class Cellar:
    @property
    def vats(self):
        """Counts the open vats that stand in the cellar."""
        return 3

    def silent(self):
        """The silence of it."""
''',
    "/docs/barrels.py",
    "text/x-python",
)


def quoted(question: Question, *documents: Document) -> str:
    (evidence,) = question.evidence
    (document,) = (one for one in documents if one.source == evidence.source)
    assert 0 <= evidence.span.start < evidence.span.end <= len(document.text)
    return document.text[evidence.span.start : evidence.span.end]


def test_each_kind_of_question() -> None:
    made = from_text([BRIDGE, CODE])
    by_text = {question.text: question for question in made}
    definition = by_text["What is the Halvorsen bridge?"]
    assert definition.group == "definition"
    assert quoted(definition, BRIDGE).startswith("The Halvorsen bridge is a stone crossing")
    (number,) = (question for question in made if question.group == "number")
    assert number.text == f"How many arches: Masons set {BLANK} across the water before the first winter came to?"
    assert number.answers == ("14",)
    assert (
        quoted(by_text["How do I return the barrel turned around a number of times?"], CODE)
        == (CODE.text[CODE.text.index("def turned") : CODE.text.index("\n\n\nclass")])
    )
    assert quoted(by_text["How do I count the open vats that stand in the cellar?"], CODE).startswith("@property")
    assert not any("silence" in question.text for question in made)


def test_a_cloze_asks_for_what_it_leaves_out() -> None:
    made = [question for question in from_text([BRIDGE, CODE]) if question.group == "cloze"]
    assert made
    for question in made:
        (answer,) = question.answers
        assert question.text.count(BLANK) == 1
        assert answer in quoted(question, BRIDGE, CODE)
        assert answer not in question.text


def test_what_is_not_asked_about() -> None:
    said = [quoted(question, BRIDGE, CODE) for question in from_text([BRIDGE, CODE])]
    for unfit in ("# The bridge", "nobody should be asked", "https://"):
        assert not any(unfit in one for one in said)
    assert not any(one.startswith("It ") for one in said)
    twice = [Document.of(BRIDGE.text, f"/copy{number}.md", "text/markdown") for number in range(2)]
    assert from_text(twice) == ()


def town(name: str, elms: int) -> Document:
    said = [f"The elm {name}{at} stood alone in the {name} yard for {at + 2} winters." for at in range(elms)]
    return Document.of("\n\n".join(said), f"/{name}.txt")


def test_the_same_seed_gives_the_same_and_another_others() -> None:
    towns = [town("Upham", 30), town("Lowick", 30)]
    assert from_text(towns, 10, seed=1) == from_text(towns, 10, seed=1)
    assert from_text(towns, 10, seed=1) != from_text(towns, 10, seed=2)


def test_they_are_spread_over_the_documents() -> None:
    towns = [town("Upham", 40), town("Lowick", 3), town("Ashby", 40)]
    made = Counter(question.evidence[0].source for question in from_text(towns, 20))
    assert sum(made.values()) == 20
    assert made["/Lowick.txt"] == 3
    assert abs(made["/Upham.txt"] - made["/Ashby.txt"]) <= 1


ODD = [
    "", "\n", "word", "x" * 5000, "a " * 5000, "A\x00b is a c\x00d of the efgh ijkl mnop qrst.\r\n" * 3,
    "🙂 is a smile of many kinds that people send to each other every day.",
    "\ud83d is a lone half of some emoji that broke.",
    "这是一个关于桥梁的句子，它很长，而且没有空格。" * 3, "هذا الجسر هو بناء حجري قديم فوق النهر بالقرب من الطاحونة.",
    "def f(:\n    '''Return nothing that could be parsed at all.'''",
    "def f():\r\n    '''Return it whole, at once.'''\r    return 1\r\n",
    "---\n# \n|||\n```\n", "(" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("media_type", ["text/plain", "text/markdown", "text/x-python"])
@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts(text: str, media_type: str) -> None:
    document = Document.of(text, "/odd", media_type)
    for question in from_text([document]):
        assert quoted(question, document).strip()


WORDS = st.sampled_from(
    [
        "The",
        "is",
        "a",
        "bridge",
        "42",
        "arches",
        "Emm",
        "was",
        "crossed",
        "by",
        "1984",
        ".",
        "?",
        "\n",
        "\n\n",
        "#",
        "\t",
    ]
)


@given(st.lists(st.lists(WORDS, max_size=60).map(" ".join) | st.text(max_size=200), max_size=4), st.integers(0, 9))
def test_evidence_is_always_there(texts: list[str], count: int) -> None:
    documents = [Document.of(text, f"/{number}") for number, text in enumerate(texts)]
    made = from_text(documents, count)
    assert len(made) <= count
    assert len({question.text for question in made}) == len(made)
    for question in made:
        said = quoted(question, *documents)
        assert said == said.strip() != ""


# Written by a model


def test_a_model_s_quote_is_looked_up() -> None:
    replies = iter(
        [
            json.dumps({"question": "Who paid?", "quote": "It was paid   for by the weavers."}),
            json.dumps({"question": "What of it?", "quote": "A sentence that the passage has not."}),
            "no JSON at all",
            json.dumps({"question": 7, "quote": ["x"]}),
            "```json\n" + json.dumps({"question": "Who paid?", "quote": "14 arches across"}) + "\n```",
            'Certainly! {"question": "How many?", "quote": "Masons set 14 arches\nacross the water"}',
        ]
    )
    several = [Document.of(BRIDGE.text, f"/{number}.md", "text/markdown") for number in range(6)]
    written = from_model(several, lambda prompt: next(replies), count=6)
    assert [question.text for question in written.questions] == ["Who paid?", "How many?"]
    assert written.dropped == 4
    assert quoted(written.questions[0], *several) == "It was paid for by the weavers."
    assert quoted(written.questions[1], *several) == "Masons set 14 arches across the water"


def test_a_model_that_fails_is_given_up_and_the_rest_made_without() -> None:
    calls = 0

    def ask(prompt: str) -> str:
        nonlocal calls
        calls += 1
        raise EndpointError("no answer from the endpoint")

    with pytest.warns(FallbackWarning, match="no answer from the endpoint"):
        written = from_model([BRIDGE, CODE, town("Upham", 60)], ask, count=4)
    assert calls == 3
    assert len(written.questions) == 4
    assert {question.group for question in written.questions} <= {"definition", "number", "cloze", "code"}


def test_a_model_is_shown_the_passage_alone() -> None:
    seen: list[str] = []

    def ask(prompt: str) -> str:
        seen.append(prompt)
        return '{"question": "Who paid?", "quote": "paid for by the weavers"}'

    from_model([BRIDGE], ask, count=1)
    assert "paid for by the weavers" in seen[0]
    assert from_model([], ask).questions == ()
