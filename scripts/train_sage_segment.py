"""Train the classifier of `sage-segment`: writes `src/chunkwise/segment/similar/paired-EMBEDDER.safetensors`.

    python scripts/train_sage_segment.py --data DIR [--embedder static] [--places 20000] [--keep]

DIR holds `lm_text` (books whose paragraphs are parted by blank lines) and `chapter_boundaries`, whose books are left
out. The paragraphs of each book are written into one line, so that nothing but the sentences themselves tells where
one ends. At each paragraph's end two sentences before and two after it are taken: neighbours within a paragraph belong
together, the two across its end do not, and, half as often, neither do one of them and one from another book.

It learns from as many joints as gaps, but in a text most gaps are none. So it is then levelled: the bias is moved until
one half, where the recipe cuts, is the probability with the best F1 on the ends of paragraphs in whole texts. That is
done on the first file after the three quarters that are learnt from; what is printed is of the others, held out from
both: accuracies beside the best threshold on plain cosine, and cuts beside as many at random. --keep levels the weights
that are there. Seeded; needs torch. Static takes about a minute, MiniLM with 5000 places some minutes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from chunkwise.embed import Embedder, embedder
from chunkwise.engine.tensors import Tensors
from chunkwise.segment.similar.paired import FOLDER, Paired
from chunkwise.segment.similar.signal import short_sentences
from chunkwise.segment.threshold import Breaks
from chunkwise.units import Document, Floats

SHORTEST = 300  # characters of a paragraph: shorter ones are mostly turns of a dialogue
FROM_EACH = 80_000  # characters of a book
HIDDEN, EPOCHS, BATCH, DECAY = 8, 10, 256, 1.0

Place = tuple[str, str, str, str]


def places(files: list[Path], without: set[str], most: int) -> list[Place]:
    """Four sentences around each of `most` ends of paragraphs, no other end among them."""
    found = [place for file in files for text in books(file, without) for place in around_ends(text)]
    random.shuffle(found)
    return found[:most]


def books(file: Path, without: set[str]) -> Iterator[str]:
    """A stretch of each book of a file, but for those of the titles."""
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            book = json.loads(line)
            if book["title"] not in without:
                start = random.randrange(max(1, len(book["text"]) - FROM_EACH))
                yield book["text"][start : start + FROM_EACH]


def around_ends(text: str) -> Iterator[Place]:
    """Two sentences before and two after the ends of paragraphs, for which the text is written into one line."""
    sentences, ends = in_one_line(text)
    for at in np.flatnonzero(ends[1:-1] & ~ends[:-2] & ~ends[2:]) + 1:
        yield (sentences[at - 1], sentences[at], sentences[at + 1], sentences[at + 2])


def in_one_line(text: str) -> tuple[list[str], Breaks]:
    """Its n sentences, and after which of them but the last a paragraph ends; bool [n - 1]."""
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", text) if not block.startswith("#")]
    paragraphs = [block for block in blocks if len(block) >= SHORTEST]
    flat = " ".join(paragraphs)
    bounds = short_sentences(Document.of(flat))
    ends = np.isin(bounds[1:-1], np.cumsum([len(paragraph) + 1 for paragraph in paragraphs]))
    return [flat[start:end] for start, end in pairwise(bounds.tolist())], ends


def pairs(embed: Embedder, found: list[Place]) -> dict[str, Floats]:
    """Vectors of sentences that stand together, across a paragraph's end, and in different books; [n, 2, d] each."""
    vectors = embed([sentence for place in found for sentence in place]).reshape(len(found), 4, -1)
    return {
        "together": np.concatenate((vectors[:, [0, 1]], vectors[:, [2, 3]])),
        "paragraph": vectors[:, [1, 2]],
        "book": np.stack((vectors[:, 1], np.roll(vectors[:, 2], len(found) // 2, axis=0)), axis=1),
    }


class Net(torch.nn.Module):
    """The perceptron over (a, b, a - b, a * b); its output is above 0 for a joint."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.hidden, self.out = torch.nn.Linear(4 * width, HIDDEN), torch.nn.Linear(HIDDEN, 1)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        """Float [n] for [n, 2, d]."""
        a, b = (pair * self.width**0.5).unbind(1)
        features = torch.cat([a, b, a - b, a * b], dim=1)
        return torch.as_tensor(self.out(torch.relu(self.hidden(features)))[:, 0])

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights for vectors of unit length, the scale of the input folded into them; float16."""
        scale = np.repeat([self.width**0.5, self.width], [3 * self.width, self.width])
        hidden = self.hidden.weight.detach().numpy().T * scale[:, None]
        named = {
            "hidden": hidden,
            "shift": self.hidden.bias.detach().numpy(),
            "out": self.out.weight.detach().numpy()[0],
            "bias": self.out.bias.detach().numpy(),
        }
        return {name: np.ascontiguousarray(array, dtype=np.float16) for name, array in named.items()}


def train(seen: dict[str, Floats]) -> Net:
    """As many pairs that stand together as those that do not."""
    joints = np.concatenate((seen["paragraph"], seen["book"][::2]))
    chosen = np.random.default_rng(0).permutation(len(seen["together"]))[: len(joints)]
    x = torch.from_numpy(np.concatenate((seen["together"][chosen], joints)))
    y = torch.cat((torch.zeros(len(chosen)), torch.ones(len(joints))))
    net = Net(x.shape[2])
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, EPOCHS * (len(y) // BATCH))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y))[: len(y) // BATCH * BATCH].reshape(-1, BATCH):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x[batch]), y[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return net


def gaps(embed: Embedder, classifier: Paired, texts: list[str]) -> tuple[Floats, Breaks]:
    """The probability that no joint is there at every gap of the texts, and whether a paragraph ends there."""
    found = [in_one_line(text) for text in texts]
    together = [classifier.together(embed(sentences)) for sentences, _ in found if len(sentences) > 1]
    return np.concatenate(together), np.concatenate([ends for sentences, ends in found if len(sentences) > 1])


def levelled(classifier: Paired, together: Floats, ends: Breaks) -> Paired:
    """The classifier with its bias moved so that cuts at one half have the best F1; of 99 probabilities to cut at."""
    tried = np.linspace(0.01, 0.99, 99)
    found = [2 * ((cut := together < at) & ends).sum() / (cut.sum() + ends.sum()) for at in tried]
    at = float(tried[np.argmax(found)])
    return replace(classifier, bias=classifier.bias + np.float32(np.log(at / (1 - at))))


def cuts(together: Floats, ends: Breaks) -> str:
    """How its cuts at one half meet the ends of paragraphs."""
    cut = together < 0.5
    hits = int((cut & ends).sum())
    precision, recall = hits / max(1, int(cut.sum())), hits / int(ends.sum())
    f1 = 2 * hits / int(cut.sum() + ends.sum())
    chance = 2 * cut.mean() * ends.mean() / (cut.mean() + ends.mean())
    return (
        f"{cut.sum() / ends.sum():.2f} cuts for each of {int(ends.sum())} ends, precision {precision:.3f},"
        f" recall {recall:.3f}, F1 {f1:.3f} (as many at random {chance:.3f})"
    )


def main() -> None:
    """Read the books, train, say how good it is on books held out, write the weights."""
    options = argparse.ArgumentParser(description="Train the classifier of sage-segment.")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--embedder", default="static")
    options.add_argument("--places", type=int, default=20_000, help="ends of paragraphs to learn from")
    options.add_argument("--books", type=int, default=100, help="texts to level on, and to look at held out")
    options.add_argument("--keep", action="store_true", help="level the weights that are there, learn nothing")
    options.add_argument("--out", type=Path, help="default: beside the recipe")
    chosen = options.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    with gzip.open(chosen.data / "chapter_boundaries" / "books.jsonl.gz", "rt", encoding="utf-8") as lines:
        without = {json.loads(line)["title"] for line in lines}
    files = sorted((chosen.data / "lm_text").glob("books_*.jsonl.xz"))
    cut = len(files) * 3 // 4
    embed = embedder(chosen.embedder)
    label = embed.name.rpartition("-")[0] if embed.name.startswith("minilm") else chosen.embedder
    path = FOLDER / f"paired-{Path(label).name}.safetensors"
    if chosen.keep:
        there = Tensors(path)
        arrays, notes = there.arrays, there.metadata
    else:
        arrays, notes = learnt(embed, files[:cut], files[cut + 1 :], without, chosen.places)
    classifier = Paired(embed.name, **{name: array.astype(np.float32) for name, array in arrays.items()})
    random.seed(1)
    level, look = (
        [text for file in some for text in books(file, without)][: chosen.books]
        for some in (files[cut : cut + 1], files[cut + 1 :])
    )
    classifier = levelled(classifier, *gaps(embed, classifier, level))
    notes = {**notes, "cuts": cuts(*gaps(embed, classifier, look))}
    for name, note in notes.items():
        print(f"{name}: {note}")
    save_file({**arrays, "bias": classifier.bias.astype(np.float16)}, chosen.out or path, notes)


def learnt(
    embed: Embedder, files: list[Path], held_out: list[Path], without: set[str], most: int
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The weights, and how good they are on the files held out."""
    seen = pairs(embed, places(files, without, most))
    held = pairs(embed, places(held_out, without, most // 8))
    net = train(seen)
    with torch.no_grad():
        scores = {kind: net(torch.from_numpy(some)).numpy() for kind, some in held.items()}
    cosines = {kind: -np.einsum("ij,ij->i", some[:, 0], some[:, 1]) for kind, some in held.items()}
    notes = {"embedder": embed.name, "places": str(len(seen["paragraph"])), "held": str(len(held["paragraph"]))}
    for kind in ("paragraph", "book"):
        trained = [(scores["together"] < 0).mean(), (scores[kind] >= 0).mean()]
        lines_at = np.quantile(np.concatenate((cosines["together"], cosines[kind])), np.linspace(0, 1, 101))
        plain = max((cosines["together"] < at).mean() + (cosines[kind] >= at).mean() for at in lines_at) / 2
        notes[f"accuracy_{kind}"] = f"{np.mean(trained):.3f} (best cosine threshold {plain:.3f}, guessing 0.500)"
    return net.arrays(), notes


if __name__ == "__main__":
    main()
