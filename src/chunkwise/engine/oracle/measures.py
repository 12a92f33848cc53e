"""What is left of a model's answers when its attention is another: right answers, their laws, the attention itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from chunkwise.engine.attention import partial
from chunkwise.engine.decoder import Attend, Decoder
from chunkwise.engine.oracle.tasks import Batch


class Host(Protocol):
    """Who holds the keys and values of several sequences: a policy's, or `Full`."""

    @property
    def bytes(self) -> int:
        """Of all that it holds."""
        ...

    def of(self, tokens: Sequence[int]) -> Attend:
        """The next pass, of so many tokens of each sequence."""
        ...


Factory = Callable[[Decoder, int], Host]  # of a model and a number of sequences


class Answered(NamedTuple):
    """What a model said to every question of a batch.

    laws: natural log-probabilities [batch, questions, answer, vocabulary] of each token of the answers, the right ones
    before it given; truth: int64 [batch, questions, answer]; bytes: held after the context, for all sequences.
    """

    laws: Tensor
    truth: Tensor
    bytes: int

    @property
    def right(self) -> Tensor:
        """Bool [batch, questions]: whether every token of the answer is the likeliest."""
        return (self.laws.argmax(-1) == self.truth).all(-1)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.right.double().mean().item()

    @property
    def tokens_right(self) -> float:
        """The share of answer tokens that are the likeliest, the right ones before them given."""
        return (self.laws.argmax(-1) == self.truth).double().mean().item()


class Full:
    """Every key and value, the standard that others are held against; as many tokens of each sequence in a pass.

    queries [sequences, heads, t, dim] of the last pass, keys and values [sequences, kv_heads, n, dim]: by layer,
    queries and keys turned.
    """

    def __init__(self, model: Decoder, sequences: int = 1) -> None:
        self._rope, self._sequences, self._seen = model.rope, sequences, 0
        self.queries: dict[int, Tensor] = {}
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}

    def of(self, tokens: Sequence[int]) -> Full:
        """The next pass."""
        if {*tokens} != {tokens[0]} or len(tokens) != self._sequences:
            raise ValueError(f"a pass of {[*tokens]} tokens is not as long for each of {self._sequences} sequences")
        positions = torch.arange(self._seen, self._seen + tokens[0]).repeat(len(tokens))
        self._turn = self._rope.at(positions)
        self._seen += tokens[0]
        return self

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What each token hears of its sequence up to itself."""
        q, k, v = (x.view(self._sequences, -1, *x.shape[1:]).transpose(1, 2) for x in (self._turn(q), self._turn(k), v))
        if layer in self.keys:
            k, v = torch.cat((self.keys[layer], k), 2), torch.cat((self.values[layer], v), 2)
        self.queries[layer], self.keys[layer], self.values[layer] = q, k, v
        return partial(q, k, v, causal=True).out.transpose(1, 2).flatten(0, 1)

    @property
    def bytes(self) -> int:
        """Of all keys and values."""
        return sum(x.nbytes for held in (self.keys, self.values) for x in held.values())


@torch.no_grad()
def answer(
    model: Decoder, batch: Batch, host: Factory = Full, *, foreseen: bool = False, questions: int | None = None
) -> Answered:
    """What the model says when `host` holds its context: each question is put to a host of its own.

    The context is one pass; its question follows in another, by when a policy has chosen what to keep. foreseen:
    the question stands at the end of the context besides, so that a policy can look at what it attends to (the
    difference between prompts that end with the question and caches that are shared by questions to come).
    questions: the first ones only, default all.
    """
    tokens = torch.from_numpy(batch.tokens)
    rows, places = len(tokens), torch.from_numpy(batch.answers[:questions])
    laws, held = [], 0
    for place in places:
        start, end = _question(batch, place)
        cue = tokens[:, start : int(place[0])]
        context = torch.cat((tokens[:, : batch.context], cue), 1) if foreseen else tokens[:, : batch.context]
        holder = host(model, rows)
        model(context.ravel().to(model.device), holder.of([context.shape[1]] * rows))
        held = holder.bytes
        asked = tokens[:, start : end - 1]
        width = asked.shape[1]
        at = (torch.arange(rows)[:, None] * width + (place - 1 - start)).ravel()
        logits = model(asked.ravel().to(model.device), holder.of([width] * rows), at)
        laws.append(torch.log_softmax(logits.float(), -1).cpu().view(rows, len(place), -1))
    return Answered(torch.stack(laws, 1), tokens[:, places], held)


def divergence(full: Answered, other: Answered) -> float:
    """Kullback-Leibler divergence of the other's laws from the full cache's, in nats, on average over tokens."""
    return (full.laws.exp() * (full.laws - other.laws)).sum(-1).mean().item()


def agreement(full: Answered, other: Answered) -> float:
    """The share of answer tokens for which both find the same token likeliest."""
    return (full.laws.argmax(-1) == other.laws.argmax(-1)).double().mean().item()


def mass_kept(queries: Tensor, keys: Tensor, kept: Tensor) -> Tensor:
    """The share [.., heads, t] of its attention that each query has on the kept keys.

    queries [.., heads, t, dim], keys [.., kv_heads, n, dim], both turned; kept: bool [.., kv_heads, n]. All keys are
    heard: give those before the queries.
    """
    *rows, heads, t, dim = queries.shape
    grouped = queries.reshape(*rows, keys.shape[-3], -1, t, dim).float()
    scores = grouped @ keys.float().mT.unsqueeze(-3) / dim**0.5
    shares = torch.softmax(scores, -1) * kept[..., None, None, :]
    return shares.sum(-1).reshape(*rows, heads, t)


def shuffled(random: np.random.Generator, batch: Batch, marks: range) -> Batch:
    """A control: in each context the tokens out of `marks` trade places, so that only chance leads to an answer."""
    tokens = batch.tokens.copy()
    for row in tokens[:, : batch.context]:
        places = np.isin(row, marks)
        row[places] = random.permutation(row[places])
    return batch._replace(tokens=tokens)


def _question(batch: Batch, place: Tensor) -> tuple[int, int]:
    """Where the question of that answer begins and ends: all are as long, to the end of the sequence."""
    each = (batch.tokens.shape[1] - batch.context) // len(batch.answers)
    end = int(place[-1]) + 1
    return end - each, end
