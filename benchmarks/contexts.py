"""What a chunk's context is worth in its vector: the same chunks and questions, embedded in seven ways.

    python -m benchmarks.contexts --data DIR [--kept FOLDER] [--sets covid squad chroma multihop] [--rows NAME ...]

DIR holds `covid_qa`, `squad_xquad_en`, `chroma_chunking`, `multihop`, `nq_passages` and `lm_text`. Of those that heads
were trained on only the held-out half is asked (`Dataset.halves`): other documents of covid_qa and squad_xquad_en,
other questions of multihop; of chroma_chunking nothing was learnt. To keep the encoder's work small covid_qa is cut to
PAPERS papers, chroma_chunking to CORPORA, and multihop to the paragraphs of its evidence and OTHERS more. What the
encoder says of a text is kept in FOLDER, so that rows share what they have in common and a second run is quick.

Three tables: recall against tokens, by `dense` alone and by `multiscale`; storage codes, recall at k against bytes and
the size of the corpus (corect); an index made with one embedder and asked by another (relative-representations).
Writes results/contexts.md and .json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np

from chunkwise import embed as room
from chunkwise.compare.asked import given
from chunkwise.embed import contextual, pooling
from chunkwise.embed.contextual import MINILM_SHA256, ContextualEmbedder, minilm_folder
from chunkwise.evaluate import Dataset, difference, load
from chunkwise.index import Index
from chunkwise.recipe import build
from chunkwise.retrieve.vectors.codes import code
from chunkwise.retrieve.vectors.relative import Relative, mapped, spread_out
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats, Span

from .machine import RESULTS, as_markdown, setting

ROWS = ("minilm", "late-chunking", "contextual-outline", "heterag", "sitemb", "insent-conteb", "dewey")
SEGMENTER = "recursive:size=100"
BUDGETS = (125, 250, 500, 1000)
MIDDLE = 250
PAPERS, OTHERS = 6, 100
CORPORA = ("state_of_the_union", "chatlogs")


def covid(data: Path) -> Dataset:
    """Held-out papers and their questions."""
    half = load("covid_qa", data).halves("documents")[1]
    documents = half.documents[:PAPERS]
    return _narrowed(half, documents)


def squad(data: Path) -> Dataset:
    """Held-out articles and their questions."""
    return load("squad_xquad_en", data).halves("documents")[1]


def chroma(data: Path) -> Dataset:
    """Two of the corpora."""
    whole = load("chroma_chunking", data)
    return _narrowed(whole, [document for document in whole.documents if document.source in CORPORA])


def multihop(data: Path) -> Dataset:
    """Held-out questions, their paragraphs, and some others."""
    half = load("multihop", data).halves("questions")[1]
    needed = {part.source for question in half.questions for part in question.evidence}
    others = [document for document in half.documents if document.source not in needed]
    drawn = np.random.default_rng(0).permutation(len(others))[:OTHERS].tolist()
    return _narrowed(half, [d for d in half.documents if d.source in needed] + [others[at] for at in drawn])


SETS: dict[str, Callable[[Path], Dataset]] = {
    "covid": covid, "squad": squad, "chroma": chroma, "multihop": multihop
}  # fmt: skip


def _narrowed(whole: Dataset, documents: Sequence[Document]) -> Dataset:
    sources = {document.source for document in documents}
    questions = [q for q in whole.questions if all(part.source in sources for part in q.evidence)]
    return replace(whole, documents=tuple(documents), questions=tuple(questions))


class Remembering(ContextualEmbedder):
    """MiniLM, which reads every text and every document once and remembers."""

    def __init__(self, kept: Path | None) -> None:
        super().__init__(minilm_folder(), label="minilm", expected=MINILM_SHA256)
        self._kept = kept
        self._known: dict[str, Floats] = {}
        if kept and kept.exists():
            with np.load(kept) as arrays:
                self._known = dict(arrays.items())
        self._size = len(self._known)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """As MiniLM."""
        keys = [_key(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        for start in range(0, len(new), 256):
            some = list(new.items())[start : start + 256]
            self._known |= zip((key for key, _ in some), super().__call__([text for _, text in some]), strict=True)
            self.save(1000)
        return np.array([self._known[key] for key in keys], np.float32).reshape(len(keys), self.dim)

    def span_means(self, text: str, spans: Sequence[Span], *sizes: int) -> tuple[Floats, Floats]:
        """As `chunkwise.embed.pooling.span_means`."""
        key = _key(json.dumps([text, list(spans), sizes]))
        if key not in self._known:
            self._known[key] = np.stack(_span_means(self, text, spans, *sizes))
            self.save(200)
        means, leads = self._known[key]
        return means, leads

    def save(self, every: int = 1) -> None:
        """Write what is new, when there is as much of it."""
        if self._kept and len(self._known) >= self._size + every:
            np.savez(self._kept, **cast(Any, self._known))
            self._size = len(self._known)


_span_means = pooling.span_means


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def shared(reader: Remembering) -> None:
    """Let every recipe be made of the one reader."""
    contextual.minilm = lambda backend="numpy": reader
    pooling.span_means = lambda _, text, spans, *sizes: reader.span_means(text, spans, *sizes)


def packed(data: Dataset, row: str) -> dict[str, dict[int, list[float]]]:
    """Recall of every question by retriever and budget, chunks embedded by the row's embedder."""
    found: dict[str, dict[int, list[float]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Index.open(Path(folder) / "kb", segmenter=SEGMENTER, vectors="eager", embedder=row) as index,
    ):
        index.add_documents(data.documents)
        for name in ("dense", "multiscale"):
            how = (index.build(name, "retrieve"), index.build("coverage", "select"), None)
            packs, _ = given(index, data.questions, *how, BUDGETS, lambda *_: {}, lambda: None)
            found[name] = {
                budget: [round(one.scores.recall, 4) for one in packs[budget] if one.scores is not None]
                for budget in BUDGETS
            }
    return found


# Storage codes


def compressed(data: Path, sizes: Sequence[int] = (1_352, 10_000, 50_000)) -> list[dict[str, Any]]:
    """Recall at k of the gold passage of nq_passages among growing numbers of others, code by code; static vectors."""
    embed = room.embedder("static")
    dataset = load("nq_passages", data)
    numbers = {document.source: number for number, document in enumerate(dataset.documents)}
    questions = dataset.questions[::4]
    gold = np.array([numbers[next(iter(question.relevant))] for question in questions])
    texts = [document.text for document in dataset.documents]
    vectors = np.concatenate([embed(texts), embed(list(_others(data, max(sizes) - len(texts))))])
    asked = embed([question.text for question in questions])
    specs = [("float16", 0, 0), ("int8", 0, 0), ("truncated", 96, 0), ("truncated", 48, 0), ("pq", 48, 0),
             ("pq", 24, 0), ("pq", 24, 4), ("binary", 0, 0), ("binary", 0, 4)]  # fmt: skip
    rows = []
    for size in sizes:
        some = vectors[: max(size, len(texts))]
        exact = _ranked(partial(np.matmul, some), asked, gold)
        rows.append({"code": "float32", "vectors": len(some), "bytes": 4 * some.shape[1], **exact})
        for name, parts, rescore in specs:
            made = code(name, parts)(some)
            scores = made.scores if not rescore else _rescored(made.scores, some, 100 * rescore)
            label = " ".join([name, *([str(parts)] if parts else []), *(["rescored"] if rescore else [])])
            found = _ranked(scores, asked, gold)
            rows.append({"code": label, "vectors": len(some), "bytes": made.bytes_per_vector, **found})
    return rows


def _others(data: Path, count: int) -> Iterator[str]:
    """Stretches of 600 characters of the books of lm_text."""
    import lzma

    for file in sorted((data / "lm_text").glob("books_*.jsonl.xz")):
        with lzma.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line)["text"]
                for start in range(0, len(text), 600):
                    if count == 0:
                        return
                    count -= 1
                    yield text[start : start + 600]


def _rescored(scores: Callable[[Floats], Floats], vectors: Floats, keep: int) -> Callable[[Floats], Floats]:
    """The scores of the `keep` best by their full vectors, all others below them."""

    def full(query: Floats) -> Floats:
        rough = scores(query)
        best = np.argpartition(-rough, min(keep, len(rough) - 1))[:keep]
        found = np.full(len(rough), -2, np.float32)
        found[best] = vectors[best] @ query
        return found

    return full


def _ranked(scores: Callable[[Floats], Floats], asked: Floats, gold: Any) -> dict[str, float]:
    found = [scores(query) for query in asked]
    ranks = np.array([(row > row[answer]).sum() for row, answer in zip(found, gold, strict=True)])
    return {f"recall@{k}": round(100 * float((ranks < k).mean()), 1) for k in (1, 10, 100)}


# Another embedder's index


def across(data: Dataset, reader: Remembering) -> list[dict[str, Any]]:
    """Recall at 10 of a chunk that holds evidence, by who made the index, who asks it, and what is between them."""
    cut = build(SEGMENTER, "segment")
    texts, places = list[str](), list[tuple[str, Span]]()
    for document in data.documents:
        for span in cut(document, tokenizer().offsets(document.text)):
            texts.append(document.text[slice(*span)])
            places.append((document.source, span))
    asked = [question.text for question in data.questions]
    right = [
        np.array([any(source == p.source and s.start < p.span.end and p.span.start < s.end for p in q.evidence)
                  for source, s in places])
        for q in data.questions
    ]  # fmt: skip
    spaces: dict[str, tuple[Floats, Floats]] = {}
    for name, embed in (("minilm", reader), ("static", room.embedder("static"))):
        spaces[name] = (embed(texts), embed(asked))

    def recall(scores: Floats) -> float:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        return round(100 * fmean(float(row[top].any()) for row, top in zip(right, best, strict=True)), 1)

    rows = []
    for index, question in (("static", "minilm"), ("minilm", "static")):
        (ours, _), (theirs, queries) = spaces[index], spaces[question]
        width = min(ours.shape[1], theirs.shape[1])
        row: dict[str, Any] = {
            "index": index,
            "question": question,
            "own": recall(spaces[index][1] @ ours.T),
            "embedded anew": recall(queries @ theirs.T),
            "no adaptor": recall(queries[:, :width] @ ours[:, :width].T),
        }
        for count in (64, 256, 1024):
            at = spread_out(ours.astype(np.float16), count)
            here, there = Relative.seen_from(ours[at], ours), Relative.seen_from(theirs[at], theirs[at])
            row[f"relative {count}"] = recall(there(queries) @ here(ours).T)
            row[f"mapped {count}"] = recall(mapped(queries, theirs[at], ours[at]) @ ours.T)
        rows.append(row)
    return rows


# The report


def report(seen: dict[str, Any]) -> str:
    """The tables as Markdown."""
    lines = [
        "# Contexts: what a chunk's surroundings are worth in its vector",
        "",
        f"Chunks of `{SEGMENTER}`; evidence kept, in characters, in percent of what was asked for, at a hard budget",
        f"of o200k_base tokens; the interval is of the difference to plain MiniLM at {MIDDLE} tokens, 95 %, paired",
        "bootstrap over questions. Held-out questions only. `contextual-outline` stands for contexts that a language",
        "model writes.",
        "",
    ]
    for name, one in seen["sets"].items():
        about = f"{one['questions']} questions, {one['documents']} documents, {one['chunks']} chunks"
        lines += [f"## {name}", "", f"{about}.", ""]
        heads = [f"{way} @{budget}" for way in ("dense", "multiscale") for budget in BUDGETS]
        gaps = [f"{way}: difference @{MIDDLE}" for way in ("dense", "multiscale")]
        lines += [f"| vectors | {' | '.join([*heads, *gaps])} |", "| --- |" + " ---: |" * (len(heads) + 2)]
        for row, recall in one["recall"].items():
            cells = [f"{100 * fmean(recall[way][str(b)]):.1f}" for way in ("dense", "multiscale") for b in BUDGETS]
            for way in ("dense", "multiscale"):
                gap = difference(recall[way][str(MIDDLE)], one["recall"]["minilm"][way][str(MIDDLE)])
                cells.append(
                    "" if row == "minilm" else f"{100 * gap.mean:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
                )
            lines.append(f"| {row} | {' | '.join(cells)} |")
        lines.append("")
    lines += [
        "## Storage codes (corect)",
        "",
        "Recall of the gold passage of nq_passages among the set's own and stretches of books; static vectors of 192",
        "dimensions. Bytes of a vector without the codebooks. Rescored: the 400 best ranked anew by full vectors,",
        "which are then kept as well, and read for those alone.",
        "",
        "| code | bytes | vectors | recall@1 | @10 | @100 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in seen["codes"]:
        found = " | ".join(f"{row[f'recall@{k}']:.1f}" for k in (1, 10, 100))
        lines.append(f"| {row['code']} | {row['bytes']:g} | {row['vectors']:,} | {found} |")
    lines += [
        "",
        "## An index asked by another embedder (relative-representations)",
        "",
        "Questions for which one of the ten nearest chunks holds evidence, in percent. *own*: asked by what made the",
        "index; *anew*: every chunk embedded by what asks; *none*: both cut to the dimensions of the smaller.",
        "*relative*, *mapped*: by so many anchors, whose texts alone the asking embedder reads.",
        "",
    ]
    columns = [
        "own",
        "embedded anew",
        "no adaptor",
        *(f"{how} {n}" for how in ("relative", "mapped") for n in (64, 256, 1024)),
    ]
    lines += [f"| set | index | question | {' | '.join(columns)} |", "| --- | --- | --- |" + " ---: |" * len(columns)]
    for name, one in seen["sets"].items():
        for row in one["across"]:
            shown = " | ".join(f"{row[head]:.1f}" for head in columns)
            lines.append(f"| {name} | {row['index']} | {row['question']} | {shown} |")
    return "\n".join([*lines, "", as_markdown(seen["setting"]), ""])


def _kept(folder: Path | None, make: Callable[[], Any]) -> Any:
    """What is made, read from the folder where a run before has left it."""
    file = folder / "codes.json" if folder else None
    if file and file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    made = make()
    if file:
        file.write_text(json.dumps(made), encoding="utf-8")
    return made


def main() -> None:
    """Run what the command line says and write what was found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--kept", type=Path, help="folder in which the encoder's vectors are kept")
    options.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options.add_argument("--out", type=Path, default=RESULTS)
    chosen = options.parse_args()
    seen: dict[str, Any] = {"sets": {}}
    for name in chosen.sets:
        data = SETS[name](chosen.data)
        reader = Remembering(chosen.kept / f"{name}.npz" if chosen.kept else None)
        shared(reader)
        cut = build(SEGMENTER, "segment")
        count = sum(len(cut(document, tokenizer().offsets(document.text))) for document in data.documents)
        one: dict[str, Any] = {"questions": len(data.questions), "documents": len(data.documents), "chunks": count}
        one["recall"] = {}
        for row in chosen.rows:
            one["recall"][row] = {
                way: {str(budget): values for budget, values in by.items()} for way, by in packed(data, row).items()
            }
            reader.save()
            middle = {way: round(100 * fmean(by[str(MIDDLE)]), 1) for way, by in one["recall"][row].items()}
            print(f"{name}: {row} {middle}", file=sys.stderr, flush=True)
        one["across"] = across(data, reader)
        seen["sets"][name] = one
    seen["codes"] = _kept(chosen.kept, lambda: compressed(chosen.data))
    seen["setting"] = setting("chunkwise", "numpy")
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "contexts.json").write_text(json.dumps(seen, indent=1) + "\n", encoding="utf-8")
    (chosen.out / "contexts.md").write_text(report(seen), encoding="utf-8")


if __name__ == "__main__":
    main()
