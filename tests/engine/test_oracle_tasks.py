"""Every question's answer, found again in the context by the plainest reading."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.oracle import tasks
from chunkwise.errors import UserError

LENGTHS = st.sampled_from([64, 100, 256, 512])


def after(context: list[int], cue: list[int]) -> list[int]:
    """Where the tokens that follow each place of the cue begin."""
    n = len(cue)
    return [at + n for at in range(len(context) - n + 1) if context[at : at + n] == cue]


def found(name: str, context: list[int], cue: list[int], answer: int) -> list[int]:
    mark, *key = cue
    assert mark == {"count": tasks.COUNT, "copy": tasks.COPY}.get(name, tasks.QUESTION)
    if name == "count":
        return [tasks.VALUES[0] + context.count(key[0])]
    places = after(context, key)
    if name == "majority":
        (value, often), *others = Counter(context[at] for at in places).most_common()
        assert often > sum(n for _, n in others)
        return [value]
    (at,) = places
    return context[at : at + answer]


@pytest.mark.parametrize("name", tasks.TASKS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), length=LENGTHS)
def test_the_answers_are_what_the_context_says(name: str, seed: int, length: int) -> None:
    batch = tasks.TASKS[name](np.random.default_rng(seed), 3, length)
    assert batch.tokens.shape == (3, length)
    questions, answer = batch.answers.shape
    each = (length - batch.context) // questions
    assert batch.context + each * questions == length
    for row in batch.tokens.tolist():
        assert row[0] == tasks.BEGIN
        for number, place in enumerate(batch.answers.tolist()):
            start = batch.context + number * each
            assert place == [*range(start + each - answer, start + each)]
            assert row[place[0] : place[-1] + 1] == found(name, row[: batch.context], row[start : place[0]], answer)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_seed_makes_the_same_questions_again_and_another_seed_others(name: str) -> None:
    one, again, other = (tasks.TASKS[name](np.random.default_rng(seed), 2, 128).tokens for seed in (5, 5, 6))
    assert (one == again).all()
    assert (one != other).any()


def test_a_majority_is_not_told_by_any_one_vote() -> None:
    batch = tasks.majority(np.random.default_rng(0), 64, 256, votes=7, winning=4)
    first = 0
    for row in batch.tokens.tolist():
        at = after(row[: batch.context], [row[batch.answers[0, 0] - 1]])
        assert len(at) == 7
        first += row[at[0]] == row[batch.answers[0, 0]]
    assert 20 < first < 54  # 4 of 7


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(UserError, match="do not fit in 32"):
        tasks.recall(np.random.default_rng(0), 1, 32, pairs=20)
