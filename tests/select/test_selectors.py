"""Selection under a hard budget: never above it, the same every time, a reason for every candidate."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.budget import Budget
from chunkwise.errors import UserError
from chunkwise.recipe import build, recipes
from chunkwise.select import Coverage, by_position, greedy
from chunkwise.select.selector import NOT_A_NUMBER
from chunkwise.units import Candidates, Selection
from supplies import SUPPLIES

TEXTS = (
    "Refunds are paid within ten days.",
    "",
    "払い戻しは十日以内に行われます。",
    "\x00 \ud83d",
    "kiln " * 40,
    "Ask!\r\n",
)
PATHS = ((), ("Returns",), ("Returns", "Form"), ("Kilns",))

every_selector = pytest.mark.parametrize("name", [made.name for made in recipes("select")])


# What may happen to scores: each takes a draw of them and gives what a retriever might have come up with.
SCORES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "plain": lambda scores, random: scores,
    "equal": lambda scores, random: np.ones_like(scores),
    "zero": lambda scores, random: np.zeros_like(scores),
    "negative": lambda scores, random: -np.abs(scores) - 0.1,
    "some not a number": lambda scores, random: np.where(random.random(len(scores)) < 0.4, np.nan, scores),
    "none a number": lambda scores, random: np.full_like(scores, np.nan),
    "some infinite": lambda scores, random: np.where(random.random(len(scores)) < 0.3, np.inf, scores),
    "both infinities": lambda scores, random: np.where(random.random(len(scores)) < 0.5, np.inf, -np.inf),
    "anything": lambda scores, random: random.choice([np.nan, np.inf, -np.inf, 0, 1, 1, 3e38, -3e38], len(scores)),
}


@st.composite
def candidates(draw: st.DrawFn, most: int = 12, nonnegative: bool = False, sound: bool = False) -> Candidates:
    """Anything that a selector may be offered; sound: with scores as a retriever should give them."""
    n = draw(st.integers(0, most))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    costs = random.integers(1, 40, n)
    if draw(st.booleans()) and n:
        costs[random.integers(n)] = 1000  # more than any budget here
    aspects = np.where(random.random((n, 3)) < 0.5, random.random((n, 3)), 0).astype(np.float32)
    rest = random.random(n) - (0 if nonnegative else 0.3)
    kind = "plain" if sound else draw(st.sampled_from(sorted(SCORES)))
    scores = SCORES[kind](aspects.sum(axis=1) + rest, random).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    vectors = random.normal(size=(n, 4)).astype(np.float32)
    vectors[n // 2 :] = vectors[: n - n // 2]  # some say the same
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    bare = draw(st.booleans())  # as a caller makes them, without what a retriever tells of their places
    documents = random.integers(0, draw(st.sampled_from([1, 4])), n)
    texts = [f"{TEXTS[number]} {number}" for number in random.integers(0, len(TEXTS), n).tolist()]
    return Candidates(
        random.permutation(100)[:n].astype(np.int64), scores[order], costs[order].astype(np.int64),
        draw(st.sampled_from([None, vectors, np.zeros_like(vectors), np.tile(vectors[:1], (n, 1))])),
        draw(st.sampled_from([None, aspects[order], np.zeros_like(aspects)])),
        "" if bare else "when are refunds paid?",
        None if bare else documents,
        None if bare else texts,
        None if bare else [PATHS[number] for number in random.integers(0, len(PATHS), n).tolist()],
    )  # fmt: skip


def shown(selection: Selection) -> list[tuple[object, ...]]:
    """The decisions, in a form in which what is not a number equals itself."""
    return [tuple(map(repr, decision)) for decision in selection.decisions]


@every_selector
@settings(deadline=None, max_examples=60)
@given(offered=candidates(), tokens=st.one_of(st.integers(0, 300), st.just(1)))
def test_the_contract(name: str, offered: Candidates, tokens: int) -> None:
    selection = build(name, "select", SUPPLIES)(offered, Budget(tokens))
    kept = [index for index, decision in enumerate(selection.decisions) if decision.kept]
    assert int(offered.costs[selection.indices].sum()) <= tokens
    assert sorted(selection.indices.tolist()) == kept
    assert offered.ids[selection.indices].tolist() == sorted(offered.ids[selection.indices].tolist())
    assert len(selection.decisions) == len(offered)
    assert sorted(decision.turn for decision in selection.decisions if decision.kept) == [*range(1, len(kept) + 1)]
    for index, decision in enumerate(selection.decisions):
        assert decision.reason
        assert np.isfinite(decision.gain)
        assert decision.cost == offered.costs[index]
        np.testing.assert_equal(decision.score, float(offered.scores[index]))
        if np.isnan(decision.score):
            assert (decision.kept, decision.reason) == (False, NOT_A_NUMBER)
        if not decision.kept and decision.reason.startswith("costs"):
            assert decision.reason.startswith(f"costs {decision.cost} of the ")
            assert decision.cost > int(decision.reason.split()[4])
    assert shown(build(name, "select", SUPPLIES)(offered, Budget(tokens))) == shown(selection)


@every_selector
def test_nothing_offered_and_nothing_to_spend(name: str) -> None:
    select = build(name, "select", SUPPLIES)
    nothing = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert len(select(nothing, Budget(100)).indices) == 0
    some = Candidates(np.arange(3), np.ones(3, np.float32), np.array([1, 2, 3]))
    broke = select(some, Budget(0))
    assert len(broke.indices) == 0
    assert all("of the 0 tokens" in decision.reason for decision in broke.decisions)


def value(offered: Candidates, chosen: tuple[int, ...], scale: float, floor: float) -> float:
    """What Coverage says that a set is worth: the integral of its slope, written out."""
    assert offered.aspects is not None
    aspects, costs = offered.aspects.astype(np.float64), offered.costs
    rest = (offered.scores - offered.aspects.sum(axis=1)).astype(np.float64)
    index = list(chosen)
    mass = (costs[index, None] * aspects[index]).sum(axis=0)
    unit = scale * np.maximum(aspects.max(axis=0, initial=0), 1e-9)
    covered = floor * mass + (1 - floor) * unit * (1 - np.exp(-mass / unit))
    return float(covered.sum() + (costs[index] * rest[index]).sum())


with_aspects = candidates(most=7, nonnegative=True, sound=True).filter(
    lambda offered: offered.aspects is not None and len(offered) > 1
)


@settings(deadline=None)
@given(with_aspects, st.floats(1, 50), st.floats(0, 1), st.data())
def test_coverage_is_monotone_and_submodular(
    offered: Candidates, scale: float, floor: float, data: st.DataObject
) -> None:
    everything = range(len(offered))
    small = tuple(sorted(data.draw(st.sets(st.sampled_from(everything)))))
    large = tuple(sorted({*small, *data.draw(st.sets(st.sampled_from(everything)))}))
    assert value(offered, large, scale, floor) >= value(offered, small, scale, floor) - 1e-4
    for other in set(everything) - set(large):
        to_small = value(offered, (*small, other), scale, floor) - value(offered, small, scale, floor)
        to_large = value(offered, (*large, other), scale, floor) - value(offered, large, scale, floor)
        assert to_large <= to_small + 1e-4
        # and the slope that greedy goes by bounds what the candidate adds, per token
        gain = Coverage(offered.scores, offered.costs, offered.aspects, scale, floor)
        for index in small:
            gain.take(index)
        assert to_small <= float(gain()[other]) * int(offered.costs[other]) * (1 + 1e-4) + 1e-4


@settings(deadline=None, max_examples=50)
@given(with_aspects, st.integers(1, 150), st.floats(5, 200))
def test_greedy_keeps_its_guarantee(offered: Candidates, tokens: int, scale: float) -> None:
    """The better of greedy and the best single candidate, against every set that fits."""
    gain = Coverage(offered.scores, offered.costs, offered.aspects, scale, 0.2)
    taken, _, _ = greedy(offered.costs, tokens, gain)
    singles = [value(offered, (index,), scale, 0.2) for index in range(len(offered)) if offered.costs[index] <= tokens]
    optimum = max(
        value(offered, chosen, scale, 0.2)
        for size in range(len(offered) + 1)
        for chosen in combinations(range(len(offered)), size)
        if offered.costs[list(chosen)].sum() <= tokens
    )
    reached = max([value(offered, tuple(taken), scale, 0.2), *singles])
    assert reached >= (1 - 1 / np.e) / 2 * optimum - 1e-4


def test_what_is_left_out_says_why() -> None:
    same = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    offered = Candidates(np.array([7, 3, 9, 5]), np.array([4, 3, 2, -1], np.float32), np.array([10, 10, 50, 1]), same)
    selection = build("coverage:twin=0.97", "select")(offered, Budget(40))
    reasons = [decision.reason for decision in selection.decisions]
    assert reasons[0] == "best gain per token"
    assert reasons[1] == "says the same as number 1 taken (cosine 1.00)"
    assert reasons[2] == "costs 50 of the 40 tokens left"
    assert reasons[3] == "adds nothing to what is in"


def test_beyond_the_cut() -> None:
    offered = Candidates(np.arange(5), np.array([8, 4, 2, 1, 1], np.float32), np.full(5, 3))
    few = build("top-k:k=2", "select")(offered, Budget(100))
    assert few.indices.tolist() == [0, 1]
    assert few.decisions[2].reason == "not among the 2 best"
    half = build("top-p:p=0.75", "select")(offered, Budget(100))
    assert half.indices.tolist() == [0, 1]
    assert "75%" in half.decisions[3].reason


def test_laid_out_by_position() -> None:
    offered = Candidates(np.array([4, 2, 8]), np.ones(3, np.float32), np.full(3, 5))
    assert by_position(offered, [0, 1]).tolist() == [1, 0]


def test_an_infinite_score_counts_as_the_best() -> None:
    scores = np.array([np.inf, 3, 2, -np.inf, np.nan], np.float32)
    offered = Candidates(np.arange(5), scores, np.full(5, 10))
    for name in ("coverage", "top-k", "mmr", "context-bubble"):
        selection = build(name, "select")(offered, Budget(100))
        turns = [decision.turn for decision in selection.decisions]
        assert turns[0] == 1, name
        assert turns[1] < turns[2], name
        assert turns[4] == 0, name


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("bandit:by=chapter", "by=section"),
        ("cluster-quota:by=", "by=document"),
        ("information-gain:measure=bits", "measure=log-det"),
        ("coverage-strata:levels=0", "levels=1"),
    ],
)
def test_a_setting_that_is_none(spec: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(spec, "select")
