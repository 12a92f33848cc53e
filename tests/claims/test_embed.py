"""Embedders in context: the point of each, beside a control that misses it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.compress import extract, spend
from chunkwise.embed import embedder
from chunkwise.embed.pooling import span_means
from chunkwise.embed.recipes import code_token_merge
from chunkwise.embed.situated import Situated
from chunkwise.embed.unit import unit_rows
from chunkwise.index import Index
from chunkwise.units import Document, Floats, Span

CITIES = ("Berlin", "Lagos", "Lima", "Oslo", "Toronto", "Mumbai", "Cairo", "Sydney")
SAME = "It has grown to 3.8 million inhabitants and lies on both banks of a river."


def city(name: str) -> tuple[Document, Span]:
    """A document of which one chunk, the same in all of them, does not say what it is about."""
    first = f"{name} is the largest city of its country. It is known for its theatres and its old harbour. "
    text = f"{first}\n\n{SAME}\n\nMany of them arrived from the countryside, and some went back to it later."
    return Document.of(text, f"/{name}"), Span(len(first) + 2, len(first) + 2 + len(SAME))


@cache
def made(spec: str) -> Any:
    return embedder(spec)


def named(embed: Any) -> float:
    """How often the chunk that stands in a city's document is nearest to a question that names the city."""
    vectors = np.concatenate([embed.in_document(document, [span]) for document, span in map(city, CITIES)])
    cosines = embed([f"How many inhabitants does {name} have?" for name in CITIES]) @ vectors.T
    assert np.ptp(cosines, axis=1).min() > 1e-4
    return float((cosines.argmax(axis=1) == np.arange(len(CITIES))).mean())


def alone(embed: Any) -> Floats:
    """The same chunk by its text alone: the control, for which all the cities are one."""
    return np.asarray(embed([document.text[slice(*span)] for document, span in map(city, CITIES)]))


def test_late_chunking() -> None:
    """Eight chunks with the same words, told apart by what was named before; alone they are one and the same."""
    assert named(made("late-chunking")) >= 7 / 8
    assert np.ptp(alone(made("minilm")), axis=0).max() < 1e-6


def test_sitemb() -> None:
    """The residual tells the eight apart, and leaves the plain vector its say; plain vectors cannot."""
    assert named(made("sitemb")) >= 7 / 8
    assert np.ptp(alone(made("minilm")), axis=0).max() < 1e-6
    document, span = city("Berlin")
    both = made("sitemb").in_document(document, [span])[0]
    assert (
        both @ made("minilm")([SAME])[0]
        > made("late-chunking").in_document(document, [span])[0] @ made("minilm")([SAME])[0]
    )


def _asked(prompt: str) -> str:
    """A model that reads the document's first words."""
    name = prompt.partition("\nTEXT ")[2].split()[1]
    return f"This chunk is about the population of {name}."


def found(folder: Path, spec: str, retriever: str, supplies: Any = None) -> float:
    """How often, for a question about a city, the first of the chunks that say the same is the one of that city."""
    with Index.open(folder / retriever, vectors="eager", embedder=spec, supplies=supplies) as index:
        index.add_documents([city(name)[0] for name in CITIES])
        corpus, retrieve = index.corpus(), index.build(retriever, "retrieve")
        right = 0
        for name in CITIES:
            ranked = [int(chunk) for chunk in retrieve(corpus, f"inhabitants of {name}", 100).ids]
            first = next(chunk for chunk in ranked if corpus.text(chunk).strip() == SAME)
            right += corpus.document(first).source == f"/{name}"
        return right / len(CITIES)


def test_contextual(tmp_path: Path) -> None:
    """What the model wrote is found by meaning and by its words; the chunk alone by neither."""
    supplies = {"ask": lambda: _asked}
    for retriever in ("dense", "bm25"):
        assert found(tmp_path / "written", "contextual", retriever, supplies) == 1
        assert found(tmp_path / "plain", "minilm", retriever) <= 1 / 4


def test_contextual_outline(tmp_path: Path) -> None:
    """The document's first sentence does it without a model; the chunk alone is found by nothing."""
    for retriever in ("dense", "bm25"):
        assert found(tmp_path / "outline", "contextual-outline", retriever) == 1
        assert found(tmp_path / "plain", "minilm", retriever) <= 1 / 4


def test_heterag(tmp_path: Path) -> None:
    """The wide views find the chunk that goes to the prompt without them; its own view alone does not find it."""
    assert found(tmp_path / "wide", "heterag", "dense") == 1
    assert found(tmp_path / "narrow", "heterag:neighbours=0,section=0,document=0", "dense") <= 1 / 4
    assert not any(name in SAME for name in CITIES)


FACTS = {
    "When was the observatory built?": "Construction of the observatory ended in the spring of 1911.",
    "Who paid for the telescope?": "Money for the main instrument came from a brewer called Hallam.",
    "How large is the mirror?": "Its main mirror measures two and a half metres across.",
    "What did the astronomers discover there?": "In 1934 two faint moons of Saturn were first seen from the dome.",
    "Why was the observatory closed during the war?": "From 1940 the dome stayed shut, since its lamps could be seen.",
    "How do visitors get up the hill?": "A cable car takes guests to the summit every half hour.",
    "What does a ticket cost?": "Entry is twelve crowns, and children pay half.",
    "When can the public look through the telescope?": "On Friday nights in winter anyone may look at the planets.",
    "Who is the director now?": "Since 2015 the institute has been led by Dr Amara Okafor.",
    "What is planned for the future?": "A radio dish is to be added in the valley by 2030.",
    "How many people work there?": "Some forty scientists and ten technicians are employed.",
    "What happened in the fire?": "Flames destroyed the library and most of the early plates in 1962.",
}  # fmt: skip


def test_insent_conteb() -> None:
    """Chunks of one document, which late pooling makes alike, are told apart better than without training."""
    text = "The observatory on Mount Ardent is described here. " + " ".join(FACTS.values())
    spans = [Span(text.index(fact), text.index(fact) + len(fact)) for fact in FACTS.values()]

    def rank(embed: Any) -> float:
        scores = embed(list(FACTS)) @ embed.in_document(Document.of(text), spans).T
        return float((1 / (1 + (scores > np.diag(scores)[:, None]).sum(axis=1))).mean())

    assert rank(made("insent-conteb")) > 0.85 > rank(made("late-chunking"))


THINGS = ("lamp", "harbour", "judge", "orchard", "comet", "violin", "bakery", "glacier")
FRAMES = (
    "By the early morning the {0} had been seen near the {1}, and nobody who knew of it would speak of the {0} again.",
    "After some time the {0} was brought together with the {1}, which mattered far more than either had expected.",
    "In every story about the {0} there is also a {1}, and often a quarrel over what became of them in the end.",
)  # fmt: skip


def test_dewey(monkeypatch: Any) -> None:
    """One pass gives both, each nearer to what the teacher says of it alone than the pass without the heads."""
    told = [" ".join(frame.format(thing, THINGS[at - 1]) for frame in FRAMES) + " " for at, thing in enumerate(THINGS)]
    ends = np.cumsum([len(part) for part in told]).tolist()
    spans = [Span(end - len(part), end) for part, end in zip(told, ends, strict=True)]
    document, whole = Document.of("".join(told)), Span(0, ends[-1])
    one, reader = embedder("dewey"), made("minilm")
    assert isinstance(one, Situated)
    read, states = list[int](), one.of.states

    def counted(windows: Sequence[Any]) -> Any:
        read.extend(map(len, windows))
        return states(windows)

    monkeypatch.setattr(one.of, "states", counted)
    vectors = one.in_document(document, [whole, *spans])
    assert sum(read) < 1.5 * len(reader.pieces(document.text).ids)
    taught = reader(told)
    late = made("late-chunking").in_document(document, spans)
    near, control = (float((rows * taught).sum(axis=1).mean()) for rows in (vectors[1:], late))
    assert near > control
    mean = taught.mean(axis=0) / np.linalg.norm(taught.mean(axis=0))
    lead = unit_rows(span_means(reader, document.text, [whole], 256, 64)[1])[0]
    assert vectors[0] @ mean > lead @ mean + 0.1


def cosines(left: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", left, right))


def test_code_token_merge() -> None:
    """The sequence is shorter by the subtokens of identifiers, its vectors near the model's own, and no line is lost.

    Real code keeps a cosine above 0.9 and pays fewer operations, the fewer the earlier it is merged. Functions that
    differ in their last name alone are told apart by a question; cut at the end to as many tokens, they are one.
    """
    plain, merged, early = embedder("minilm"), code_token_merge(3), code_token_merge(0)
    source = "\n".join(inspect.getsource(module) for module in (extract, spend))
    code = [source[at : at + 500] for at in range(0, len(source) - 500, 1500)]
    before, after = merged.lengths(code).T
    assert before.sum() == sum(len(merged._tokenizer.encode(text).ids) for text in code)
    assert after.sum() < 0.92 * before.sum()
    whole = plain(code)
    assert cosines(merged(code), whole).mean() > 0.9
    assert cosines(merged(code), whole).mean() > cosines(early(code), whole).mean()
    (full, less), (_, least) = merged.operations(code), early.operations(code)
    assert least < less < 0.96 * full

    names = ["refund_customer", "print_invoice", "delete_account", "send_newsletter", "resize_thumbnail"]
    functions = [f"def handle_request(request_body, session_token):\n    return {name}(request_body)" for name in names]
    questions = plain([name.replace("_", " the ") for name in names])
    assert (merged(functions) @ questions.T).argmax(axis=0).tolist() == list(range(len(names)))
    counts = merged.lengths(functions)[:, 1].tolist()
    ends = [merged._tokenizer.encode(text).offsets[count][0] for text, count in zip(functions, counts, strict=True)]
    assert len({text[:end] for text, end in zip(functions, ends, strict=True)}) == 1
