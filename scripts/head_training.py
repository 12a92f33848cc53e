"""What the scripts that train heads share: the vectors they learn from, the loop, and the file that is written.

The encoder stays as it is. Every chunk of the training text is embedded once alone and once pooled from its
document's token states; questions are embedded as they are. A head is a correction of low rank, so that minutes are
enough and a file of 100 kB holds it. Learnt from: the first halves of covid_qa, squad_xquad_en (by document) and
multihop (by question), and stretches of the books of lm_text, where a sentence is the question and its chunk the
answer. The other halves are for `benchmarks/contexts.py`.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from hashlib import sha256
from itertools import pairwise, starmap
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from chunkwise.embed.contextual import ContextualEmbedder, minilm
from chunkwise.embed.heads import FOLDER, RANK
from chunkwise.embed.pooling import span_means
from chunkwise.embed.unit import unit_rows
from chunkwise.evaluate import Dataset, load
from chunkwise.recipe import build
from chunkwise.segment import sentence_bounds
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats, Ints, Span

SIZES = (100, 40)  # tokens of a chunk, by turns
PAPERS, BOOKS, STRETCH, OTHERS = 12, 24, 6000, 4  # documents of covid_qa; books and their characters; paragraphs beside
WINDOW, OVERLAP = 256, 64
EPOCHS, PATIENCE, BATCH = 40, 6, 64


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from, as arrays over chunks, documents and questions.

    plain, late: float32 [chunks, d], unit vectors of each chunk alone and in its document; document: int64 [chunks];
    mean, lead: float32 [documents, d], of the document's states and of its windows' first ones; question: float32
    [questions, d]; answer: int64 [questions], a chunk.
    """

    plain: Floats
    late: Floats
    document: Ints
    mean: Floats
    lead: Floats
    question: Floats
    answer: Ints

    def held(self, part: int, parts: int = 5) -> tuple[Ints, Ints]:
        """The questions of most documents, and those of the part that is looked at while learning."""
        apart = self.document[self.answer] % parts == part
        return np.flatnonzero(~apart), np.flatnonzero(apart)


def lessons(data: Path, kept: Path | None = None) -> Lessons:
    """The lessons of the training halves; read from `kept` where that is there, and written to it where not."""
    names = [field.name for field in fields(Lessons)]
    if kept and kept.exists():
        with np.load(kept) as arrays:
            return Lessons(**{name: arrays[name] for name in names})
    made = _made(list(_documents(data)), minilm())
    if kept:
        np.savez(kept, **{name: getattr(made, name) for name in names})
    return made


def _documents(data: Path) -> Iterator[tuple[Document, list[tuple[str, Span]]]]:
    """Each document with its questions and where their answers stand."""
    rng = np.random.default_rng(0)
    for name, most in (("squad_xquad_en", 99), ("covid_qa", PAPERS)):
        yield from _asked(load(name, data).halves("documents")[0], most)
    hops = load("multihop", data).halves("questions")[0]
    others = [one for one in hops.documents if one.source not in {p.source for q in hops.questions for p in q.evidence}]
    yield from _asked(hops, 999)
    yield from ((others[at], []) for at in rng.permutation(len(others))[: OTHERS * len(hops.questions)].tolist())
    for file in sorted((data / "lm_text").glob("books_*.jsonl.xz"))[:4]:
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            for _, line in zip(range(BOOKS // 4), lines, strict=False):
                text = json.loads(line)["text"]
                start = int(rng.integers(max(1, len(text) - STRETCH)))
                document = Document.of(text[start : start + STRETCH])
                spans = starmap(Span, pairwise(sentence_bounds(document).tolist()))
                told = [span for span in spans if 40 <= span.end - span.start <= 200]
                yield document, [(document.text[slice(*told[at])], told[at]) for at in rng.permutation(len(told))[:12]]


def _asked(half: Dataset, most: int) -> Iterator[tuple[Document, list[tuple[str, Span]]]]:
    by_source: dict[str, list[tuple[str, Span]]] = {}
    for question in half.questions:
        for part in question.evidence:
            by_source.setdefault(part.source, []).append((question.text, part.span))
    for document in [document for document in half.documents if document.source in by_source][:most]:
        yield document, by_source[document.source]


def _made(documents: list[tuple[Document, list[tuple[str, Span]]]], reader: ContextualEmbedder) -> Lessons:
    plain, late, numbers, mean, lead = list[Floats](), list[Floats](), list[int](), list[Floats](), list[Floats]()
    texts, answers = list[str](), list[int]()
    for number, (document, asked) in enumerate(documents):
        cut = build(f"recursive:size={SIZES[number % len(SIZES)]}", "segment")
        spans = cut(document, tokenizer().offsets(document.text))
        whole = Span(0, len(document.text))
        means, leads = span_means(reader, document.text, [whole, *spans], WINDOW, OVERLAP)
        starts = np.array([span.start for span in spans])
        for text, span in asked:
            texts.append(text)
            middle = (span.start + span.end) // 2
            answers.append(len(numbers) + int(np.searchsorted(starts, middle, side="right")) - 1)
        plain.append(reader([document.text[slice(*span)] for span in spans]))
        late.append(unit_rows(means[1:]))
        mean.append(unit_rows(means[:1]))
        lead.append(unit_rows(leads[:1]))
        numbers += [number] * len(spans)
        print(f"{number + 1} of {len(documents)} documents", end="\r", flush=True)
    arrays = [np.concatenate(rows) for rows in (plain, late, mean, lead)]
    return Lessons(
        arrays[0], arrays[1], np.array(numbers), arrays[2], arrays[3], reader(texts), np.array(answers, np.int64)
    )  # fmt: skip


class LowRank(torch.nn.Module):
    """A part `keep` of x, and x through down [d, r] and up [r, d], which begins at nothing.

    learnt: whether the part is learnt, too.
    """

    def __init__(self, width: int, keep: float = 1.0, learnt: bool = False, rank: int = RANK) -> None:
        super().__init__()
        self.keep = torch.nn.Parameter(torch.tensor([keep]), requires_grad=learnt)
        self.down = torch.nn.Parameter(torch.randn(width, rank) * width**-0.5)
        self.up = torch.nn.Parameter(torch.zeros(rank, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As `chunkwise.embed.heads.Head`; float [n, d]."""
        return torch.as_tensor(self.keep * x + x @ self.down @ self.up)


def unit(x: torch.Tensor) -> torch.Tensor:
    """Rows at length 1."""
    return torch.nn.functional.normalize(x, dim=-1)


def contrast(questions: torch.Tensor, right: torch.Tensor, wrong: torch.Tensor, heat: float = 0.05) -> torch.Tensor:
    """InfoNCE: each question [n, d] must find its right answer [n, d] among its wrong ones [n, m, d]."""
    positive = (questions * right).sum(-1, keepdim=True)
    negative = torch.einsum("nd,nmd->nm", questions, wrong)
    logits = torch.cat([positive, negative], dim=1) / heat
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(questions), dtype=torch.long))


def trained(
    heads: torch.nn.Module,
    loss: Callable[[Ints], torch.Tensor],
    score: Callable[[Ints], float],
    learn: Ints,
    look: Ints,
    rate: float = 1e-3,
    decay: float = 0.1,
) -> float:
    """Train on the rows `learn` and keep what scores best on the rows `look`; that score. Stops when it gets no better.

    loss: of a batch of rows; score: of rows, higher is better. The state before any training counts, too.
    """
    optimizer = torch.optim.AdamW(heads.parameters(), lr=rate, weight_decay=decay)
    rng = np.random.default_rng(0)
    at, best, state = 0, -np.inf, dict[str, torch.Tensor]()
    for epoch in range(EPOCHS + 1):
        with torch.no_grad():
            seen = score(look)
        print(f"epoch {epoch}: {seen:.4f}")
        if seen > best:
            at, best, state = epoch, seen, {name: value.clone() for name, value in heads.state_dict().items()}
        if epoch - at >= PATIENCE:
            break
        order = rng.permutation(learn)
        for start in range(0, len(order), BATCH):
            value = loss(order[start : start + BATCH])
            optimizer.zero_grad()
            torch.autograd.backward(value)
            optimizer.step()
    heads.load_state_dict(state)
    return float(best)


def recall_within(found: Lessons, questions: Floats, chunks: Floats, rows: Ints) -> float:
    """The mean reciprocal rank of the answer among the chunks of its own document and of all, the mean of both."""
    scores = questions @ chunks.T
    answers = found.answer[rows]
    own = scores[np.arange(len(rows)), answers][:, None]
    better = scores > own
    inside = found.document[None, :] == found.document[answers][:, None]
    return float(np.mean([(1 / (1 + (better & seen).sum(1))).mean() for seen in (inside, np.ones_like(inside))]))


def options(what: str) -> argparse.Namespace:
    """The command line of a training script."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lessons", type=Path, help="npz in which the vectors that are learnt from are kept")
    parser.add_argument("--out", type=Path, default=FOLDER)
    return parser.parse_args()


def write(name: str, heads: torch.nn.Module, out: Path, **notes: str) -> None:
    """The heads as float16 arrays in NAME-minilm.safetensors, with what they are for."""
    arrays = {key: value.numpy().astype(np.float16) for key, value in heads.state_dict().items()}
    for note, said in notes.items():
        print(f"{note}: {said}")
    file = out / f"{name}-minilm.safetensors"
    save_file(arrays, file, {"embedder": minilm().name, **notes})
    print(f"{file.name}: {sha256(file.read_bytes()).hexdigest()}, to stand in chunkwise/embed/heads.py")
