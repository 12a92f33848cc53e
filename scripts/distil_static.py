"""Distil MiniLM into one vector for each word piece: writes `src/chunkwise/embed/static-minilm.safetensors`.

    python scripts/distil_static.py --data DIR [--taught FILE] [--out FILE]

DIR holds the training text: `wiki_sentences.txt.gz`, one sentence a line, and `books_*.jsonl.xz`, a book's `text` a
line. Runs offline and needs scipy; ten minutes on two cores, nearly all of it MiniLM's. What MiniLM said is kept in
FILE, so that another fit takes a minute.

The model is a sum: a text's vector is the direction of the sum of its pieces' vectors. They are fitted so that it
points where MiniLM's vector of the text does, in MiniLM's first principal components. MiniLM is asked about sentences
that show a piece not seen often yet, and about random bags of a few pieces, since the books are old and many of today's
words are in none. The fit starts from MiniLM's vector of each piece alone, mapped to the components and weighted
a / (a + p), p its probability by Zipf's law from its rank, which is its place in the vocabulary; a ridge keeps pieces
that were seldom seen near that start.

The components' spread is then evened out by half and the axes are turned at random, so that each sign says as much of
the angle as any other; four bits a component lose nothing that could be measured. The map from MiniLM's space to the
table's goes into the file too: a question that MiniLM has read can be asked in it.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix, diags
from tokenizers import Tokenizer

from chunkwise.embed.contextual import MINILM_SHA256, minilm_folder
from chunkwise.embed.static import TABLE
from chunkwise.engine.encoder import Encoder
from chunkwise.engine.threads import spread
from chunkwise.units import Floats, Ints

DIMENSIONS = 192
RARE = 3e-5  # the a of a / (a + p)
EVENING = 0.5  # each component is divided by its standard deviation to this power
STEP = 0.3352  # in standard deviations: the uniform 16-level quantiser of least error on a normal distribution

BAGS = 8  # random bags that each piece is put into
CONSIDERED, CHOSEN = 500_000, 70_000  # sentences of the books
FEW = 30  # a sentence is of use while one of its pieces was seen less often
BAG_WEIGHT = 0.3  # of a bag against a sentence
RIDGE = 3.0  # texts of median length that a piece's start is worth
ROUNDS, STEPS = 2, 8  # of fitting to the sums' present lengths, and of conjugate gradients in each

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“‘(]?[A-Z])")


def sentences(data: Path) -> Iterator[str]:
    """The books' sentences of 25 to 220 characters, without Markdown's marks."""
    for path in sorted(data.glob("books_*.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as books:
            for book in books:
                text = re.sub(r"^#.*$", "", json.loads(book)["text"], flags=re.M).replace("_", "").replace("*", "")
                for paragraph in text.split("\n\n"):
                    found = _SENTENCE_END.split(" ".join(paragraph.split()))
                    yield from (sentence for sentence in found if 25 <= len(sentence) <= 220)


def lessons(data: Path, tokenizer: Tokenizer, ids: Ints) -> tuple[list[Ints], Ints]:
    """The texts that MiniLM is asked about, as ids, and the kind of each: 0 a piece, 1 a bag, 2 a sentence."""
    rng = np.random.default_rng(0)
    bags: list[Ints] = []
    for _ in range(BAGS):
        order, at = rng.permutation(ids), 0
        while at < len(order):
            size = int(rng.integers(2, 7))
            bags.append(order[at : at + size])
            at += size

    def tokenised(texts: list[str]) -> list[Ints]:
        return [np.array(e.ids) for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    with gzip.open(data / "wiki_sentences.txt.gz", "rt", encoding="utf-8") as lines:
        encyclopedic = tokenised([line for line in lines.read().split("\n") if line])
    seen = np.zeros(tokenizer.get_vocab_size(), np.int64)
    for sentence in encyclopedic:
        seen[np.unique(sentence)] += 1
    offered = list(sentences(data))
    useful: list[Ints] = []
    for part in np.array_split(rng.permutation(len(offered))[:CONSIDERED], 25):
        for sentence in tokenised([offered[at] for at in part]):
            if len(sentence) <= 64 and (seen[sentence] < FEW).any():
                useful.append(sentence)
                seen[np.unique(sentence)] += 1
    chosen = [useful[at] for at in rng.permutation(len(useful))[:CHOSEN]]
    texts = [[np.array([piece]) for piece in ids], bags, encyclopedic + chosen]
    return [text for kind in texts for text in kind], np.repeat(np.arange(3), [len(kind) for kind in texts])


def taught(encoder: Encoder, texts: list[Ints], first: int, last: int) -> npt.NDArray[np.float16]:
    """MiniLM's unit vector of `[CLS] text [SEP]` for each text; float16 [texts, width]."""
    vectors = np.empty((len(texts), encoder.width), np.float16)
    lengths = np.array([len(text) for text in texts])
    batches: list[Ints] = []
    for length in np.unique(lengths):
        alike = np.flatnonzero(lengths == length)
        batches += np.array_split(alike, len(alike) * (length + 2) // 384 + 1)

    def read(batch: Ints) -> None:
        framed = np.stack([np.concatenate([[first], texts[at], [last]]) for at in batch])
        vectors[batch] = directions(encoder.states(framed).mean(1))

    spread(read, batches)
    return vectors


def directions(vectors: Floats) -> Floats:
    """Rows at length 1; rows of zeros stay."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def components(vectors: Floats, kind: Ints) -> tuple[Floats, Floats]:
    """The mean of the sentences' vectors, and the first principal components, bags counting a quarter; signs fixed."""
    mean = vectors[kind == 2].mean(0)
    spreads = np.cov(vectors[kind == 2].T) + 0.25 * np.cov(vectors[kind == 1].T)
    axes = np.linalg.eigh(spreads)[1][:, : -DIMENSIONS - 1 : -1]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(DIMENSIONS)])
    return mean, axes.astype(np.float32)


def fitted(counts: csr_matrix, targets: Floats, weight: Floats, alone: Floats, weights: Floats) -> Floats:
    """The pieces' vectors whose sums point to the targets; float32 [pieces, DIMENSIONS].

    counts: [texts, pieces]; targets: unit rows; weight: of each text; alone: the model's vector of each piece alone,
    weights: by frequency. A least squares fit knows no directions, so texts are divided by the length of their present
    sums, and fitted again.
    """
    means = directions(counts @ (alone * weights[:, None])) * np.sqrt(weight)[:, None]
    inner = means.T @ means + 1e-3 * weight.sum() / alone.shape[1] * np.eye(alone.shape[1], dtype=np.float32)
    mapped = np.linalg.solve(inner, means.T @ (targets * np.sqrt(weight)[:, None]))
    start = vectors = np.asarray(alone @ mapped * weights[:, None], np.float32)
    for _ in range(ROUNDS):
        lengths = np.linalg.norm(counts @ vectors, axis=1)
        usual = np.median(lengths)
        texts = (diags((1 / np.maximum(lengths, 0.2 * usual)).astype(np.float32)) @ counts).tocsr()
        vectors = ridge(texts, targets, weight, start, np.float32(RIDGE / usual**2))
        start = start * np.float32(np.vdot(start, vectors) / np.vdot(start, start))  # on the scale of what was fitted
    return vectors


def ridge(texts: csr_matrix, targets: Floats, weight: Floats, start: Floats, strength: np.float32) -> Floats:
    """The x of least weight * |texts x - targets|^2 + strength * |x - start|^2, by conjugate gradients from `start`."""
    transposed = (diags(weight) @ texts).T.tocsr()
    rest = transposed @ (targets - texts @ start)
    scale = 1 / (transposed.multiply(texts.T).sum(1).A1[:, None] + strength)
    moved, step = np.zeros_like(start), scale * rest
    size = (rest * step).sum(0)
    for _ in range(STEPS):
        image = transposed @ (texts @ step) + strength * step
        reach = size / (step * image).sum(0)
        moved += reach * step
        rest -= reach * image
        before, size = size, (rest * scale * rest).sum(0)
        step = scale * rest + size / before * step
    return np.asarray(start + moved, np.float32)


def turn() -> Floats:
    """A random rotation; [DIMENSIONS, DIMENSIONS]."""
    axes, signs = np.linalg.qr(np.random.default_rng(0).standard_normal((DIMENSIONS, DIMENSIONS)))
    return np.asarray(axes * np.sign(np.diag(signs)), np.float32)


def main() -> None:
    """Ask the model, fit the table, write it."""
    options = argparse.ArgumentParser(description="Distil MiniLM into a table of word piece vectors.")
    options.add_argument("--data", type=Path, required=True, help="folder with the training text")
    options.add_argument("--taught", type=Path, help="npz in which the model's vectors are kept")
    options.add_argument("--out", type=Path, default=TABLE)
    given = options.parse_args()
    folder = minilm_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    vocabulary = tokenizer.get_vocab()
    ranked = sorted(vocabulary, key=vocabulary.__getitem__)
    pieces = [piece for piece in ranked if not (piece.startswith("[") and len(piece) > 1)]  # no [CLS], no [unused7]
    ids = np.array([vocabulary[piece] for piece in pieces])

    texts, kind = lessons(given.data, tokenizer, ids)
    digest = hashlib.sha256(np.concatenate(texts).astype(np.int32).tobytes()).hexdigest()
    if given.taught and given.taught.exists():
        kept = np.load(given.taught)
        if kept["texts"] != digest:
            raise SystemExit(f"{given.taught} was made from other texts; remove it")
        known = kept["vectors"]
    else:
        known = taught(Encoder.load(folder), texts, vocabulary["[CLS]"], vocabulary["[SEP]"])
        if given.taught:
            np.savez(given.taught, vectors=known, texts=digest)
    vectors = known.astype(np.float32)

    # Row 0 stands for the unknown and weighs nothing.
    row = np.zeros(len(vocabulary), np.int64)
    row[ids] = np.arange(1, len(pieces) + 1)
    lengths = np.array([len(text) for text in texts])
    place = (np.repeat(np.arange(len(texts)), lengths), row[np.concatenate(texts)])
    counts = csr_matrix((np.ones(lengths.sum(), np.float32), place), shape=(len(texts), len(pieces) + 1))
    chance = 1 / np.arange(1, len(pieces) + 1)
    weights = np.concatenate([[0], RARE / (RARE + chance / chance.sum())]).astype(np.float32)
    mean, axes = components(vectors, kind)
    targets = directions((vectors - mean) @ axes)
    alone = np.concatenate([np.zeros((1, vectors.shape[1]), np.float32), vectors[kind == 0]])
    lesson = kind > 0
    weight = np.where(kind == 1, BAG_WEIGHT, 1).astype(np.float32)
    table = fitted(counts[lesson], targets[lesson], weight[lesson], alone, weights)
    table[0] = 0

    evened = directions(counts[kind == 2] @ table).std(0) ** EVENING
    shaped = turn() / evened[:, None]
    table = table @ shaped
    size = np.sqrt(np.mean(table**2, axis=1))
    levels = np.clip(np.floor(table / np.maximum(size, 1e-9)[:, None] / STEP), -8, 7).astype(np.int8) + 8
    levels[0] = 0
    projection = axes @ shaped
    arrays = {
        "pieces": np.frombuffer("\n".join(["[UNK]", *pieces]).encode(), np.uint8),
        "vectors": (levels[:, ::2] | (levels[:, 1::2] << 4)).astype(np.uint8),
        "scales": np.full(DIMENSIONS, STEP / 2, np.float32),
        "weights": (size / size.max()).astype(np.float32),
        "projection": projection.astype(np.float16),
        "origin": mean.astype(np.float32),
    }
    digest = hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
    notes = {
        "name": f"static-minilm-{MINILM_SHA256[:8]}-{digest[:8]}",
        "teacher": f"minilm-{MINILM_SHA256[:8]}",
        "source": "sentence-transformers/all-MiniLM-L6-v2, Apache-2.0",
        "source_sha256": MINILM_SHA256,
    }
    save_file(arrays, given.out, notes)


if __name__ == "__main__":
    main()
