"""Questions whose answers stand in the context, made on the fly: records strewn in filler, then questions about them.

Retrieval (`needle`, `multi_key`, `recall`, `compound_key`) leans on one place. Spread evidence leans on many:
`majority` and `count` on every record of a key at once, `span` and `copy` on all tokens of a stretch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chunkwise.errors import UserError

BEGIN, QUESTION, COUNT, COPY = 0, 1, 2, 3
KEYS = range(8, 136)
VALUES = range(136, 264)
FILLER = range(264, 328)
VOCABULARY = 328

Ids = NDArray[np.int64]


class Batch(NamedTuple):
    """Sequences of one layout. tokens: int64 [batch, length], answers in place; context: where the questions begin;
    answers: int64 [questions, answer], the places of each question's answer, foretold from all tokens before.
    """

    tokens: Ids
    context: int
    answers: Ids


Task = Callable[[np.random.Generator, int, int], Batch]


def needle(random: np.random.Generator, batch: int, length: int) -> Batch:
    """One key and its value in filler alone."""
    return recall(random, batch, length, pairs=1, questions=1)


def multi_key(random: np.random.Generator, batch: int, length: int) -> Batch:
    """One question about one of many keys, a sixteenth of the length."""
    return recall(random, batch, length, questions=1)


def recall(
    random: np.random.Generator,
    batch: int,
    length: int,
    pairs: int | None = None,
    questions: int | None = None,
    answer: int = 1,
) -> Batch:
    """Multi-query associative recall: `pairs` keys (default: length / 16), each before `answer` values; which?"""
    pairs = pairs or min(length // 16, len(KEYS))
    keys = _distinct(random, KEYS, batch, pairs)[..., None]
    records = np.concatenate([keys, random.choice(VALUES, (batch, pairs, answer))], 2)
    return _strewn(random, length, records, _asked(random, QUESTION, records, questions), answer)


def compound_key(random: np.random.Generator, batch: int, length: int, questions: int | None = None) -> Batch:
    """Keys of two tokens, each token in several keys, so that half a key finds the wrong value."""
    pairs = max(length // 32, 4)
    side = int(np.ceil(np.sqrt(pairs)))
    firsts, seconds = (_distinct(random, KEYS, batch, side) for _ in range(2))
    cells = _distinct(random, range(side * side), batch, pairs)
    first, second = np.take_along_axis(firsts, cells // side, 1), np.take_along_axis(seconds, cells % side, 1)
    records = np.stack([first, second, random.choice(VALUES, (batch, pairs))], 2)
    return _strewn(random, length, records, _asked(random, QUESTION, records, questions), 1)


def majority(
    random: np.random.Generator,
    batch: int,
    length: int,
    questions: int | None = None,
    votes: int = 7,
    winning: int = 5,
) -> Batch:
    """Each key has `votes` records over the context: `winning` name one value, the others a rival; which wins?"""
    keys = max(length // (8 * votes), 1)
    named = _distinct(random, VALUES, batch * keys, 2).reshape(batch, keys, 2)
    won = np.repeat(np.arange(2), [winning, votes - winning])
    asked = np.stack([_distinct(random, KEYS, batch, keys), named[..., 0]], 2)
    records = np.stack([np.repeat(asked[..., 0], votes, 1), named[..., won].reshape(batch, -1)], 2)
    order = _distinct(random, range(keys * votes), batch, keys * votes)[..., None]
    return _strewn(random, length, np.take_along_axis(records, order, 1), _asked(random, QUESTION, asked, questions), 1)


def count(random: np.random.Generator, batch: int, length: int, questions: int | None = None, most: int = 8) -> Batch:
    """Each key stands 1 to `most` times in the context; how often, as the value of that rank?"""
    keys = max(length // (8 * most), 1)
    often = random.integers(1, most + 1, (batch, keys))
    names = _distinct(random, KEYS, batch, keys)
    records = np.where(np.arange(most) < often[..., None], names[..., None], random.choice(FILLER, (batch, keys, most)))
    order = _distinct(random, range(keys * most), batch, keys * most)
    asked = np.stack([names, VALUES[0] + often], 2)
    strewn = np.take_along_axis(records.reshape(batch, -1), order, 1)[..., None]
    return _strewn(random, length, strewn, _asked(random, COUNT, asked, questions), 1)


def span(
    random: np.random.Generator, batch: int, length: int, questions: int | None = None, answer: int | None = None
) -> Batch:
    """Recall of spans of 4 to 8 values (drawn, or `answer`), no value twice in a sequence."""
    answer = answer or int(random.integers(4, 9))
    pairs = min(max(length // 32, 1), len(VALUES) // answer)
    values = _distinct(random, VALUES, batch, pairs * answer).reshape(batch, pairs, answer)
    records = np.concatenate([_distinct(random, KEYS, batch, pairs)[..., None], values], 2)
    return _strewn(random, length, records, _asked(random, QUESTION, records, questions), answer)


def copy(random: np.random.Generator, batch: int, length: int, stretch: int | None = None) -> Batch:
    """A stretch of keys and values (default: length / 8 of them), none twice, to be said again from its first token."""
    stretch = stretch or min(max(length // 8, 2), len(KEYS) + len(VALUES))
    records = _distinct(random, range(KEYS[0], VALUES[-1] + 1), batch, stretch)[:, None]
    return _strewn(random, length, records, _asked(random, COPY, records, 1), stretch - 1)


TASKS: dict[str, Task] = {
    task.__name__: task for task in (needle, multi_key, recall, compound_key, majority, count, span, copy)
}


def _distinct(random: np.random.Generator, of: range, rows: int, n: int) -> Ids:
    """[rows, n] of a range, none twice in a row."""
    return np.asarray(of)[np.argsort(random.random((rows, len(of))), 1)[:, :n]]


def _asked(random: np.random.Generator, mark: int, records: Ids, questions: int | None) -> Ids:
    """Questions [batch, questions, 1 + width] on some records [batch, n, width] (default: 8 at most), after `mark`."""
    batch, n, _ = records.shape
    chosen = _distinct(random, range(n), batch, min(questions or 8, n))[..., None]
    told = np.take_along_axis(records, chosen, 1)
    return np.concatenate([np.full((*told.shape[:2], 1), mark), told], 2)


def _strewn(random: np.random.Generator, length: int, records: Ids, questions: Ids, answer: int) -> Batch:
    """Records [batch, n, width] in their order at places of their own in filler; then the questions, then no more."""
    batch, n, width = records.shape
    _, q, asked = questions.shape
    context = length - q * asked
    free = context - 1 - n * width
    if free < 0:
        raise UserError(f"{n} records of {width} tokens do not fit in {length}; give a longer length")
    tokens = random.choice(FILLER, (batch, length))
    tokens[:, 0] = BEGIN
    starts = 1 + np.sort(random.integers(0, free + 1, (batch, n)), 1) + np.arange(n) * width
    np.put_along_axis(tokens, (starts[..., None] + np.arange(width)).reshape(batch, -1), records.reshape(batch, -1), 1)
    tokens[:, context:] = questions.reshape(batch, -1)
    ends = context + asked * np.arange(1, q + 1)
    return Batch(tokens, context, ends[:, None] - np.arange(answer, 0, -1))
