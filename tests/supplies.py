"""Stand-ins for the models that recipes are made of: quick, deterministic, and no better than they need to be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chunkwise.models import Kept, Surprise
from chunkwise.tokens import tokenizer
from chunkwise.units import Floats

REPLIES = (
    "", "Answer: ID 2", "Answer: ID 99999", "ID -1", "no idea", "yes", "[1, 2, 3]", '{"chunks": ["a", "b"]}',
    "1. The first part [MASK] of it\n2. another [MASK] end", "```json\n[]\n```", "\x00\ud83d",
    "Answer: ID 1\nAnswer: ID 3",
)  # fmt: skip


def seed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def embed(texts: Sequence[str]) -> Floats:
    """Bags of hashed words, 16 dimensions."""
    vectors = np.zeros((len(texts), 16), dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in re.findall(r"\w+", text[:2000])[:50]:
            row[seed(word) % 16] += 1
        row[seed(text[:100]) % 16] += 0.1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ask(prompt: str) -> str:
    """One of the replies, mostly nonsense, that the prompt itself chooses."""
    return REPLIES[seed(prompt) % len(REPLIES)]


class Letters:
    """A causal model whose tokens are characters and whose surprise at one is a hash of it and the one before."""

    name = "letters"

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        points = np.array([ord(character) for character in text], dtype=np.int64)
        before = np.concatenate(([ord(given[-1]) if given else 0], points[:-1]))[: len(points)]
        nats = ((points * 31 + before * 17) % 97 / 16).astype(np.float32)
        shown = np.stack([np.cos(points * k) for k in range(1, 9)], axis=1).astype(np.float32) if states else None
        return Surprise(np.arange(len(points)), nats, shown)

    def choose(self, prompt: str, answers: Sequence[str]) -> Floats:
        return -np.array([seed(prompt + answer) % 50 / 10 for answer in answers], dtype=np.float32)


SUPPLIES: dict[str, Callable[[], Any]] = {
    "embed": lambda: embed, "ask": lambda: ask, "lm": Letters, "tokenizer": tokenizer, "notes": Kept,
}  # fmt: skip
