"""Selection under a hard budget: never above it, the same every time, a reason for every candidate."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.budget import Budget
from chunkwise.recipe import build, recipes
from chunkwise.select import Coverage, Relevance, by_position, greedy, nucleus
from chunkwise.units import Candidates
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


@st.composite
def candidates(draw: st.DrawFn, most: int = 12, nonnegative: bool = False) -> Candidates:
    n = draw(st.integers(0, most))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    costs = random.integers(1, 40, n)
    aspects = np.where(random.random((n, 3)) < 0.5, random.random((n, 3)), 0).astype(np.float32)
    rest = random.random(n) - (0 if nonnegative else 0.3)
    order = np.argsort(-(scores := (aspects.sum(axis=1) + rest).astype(np.float32)), kind="stable")
    vectors = random.normal(size=(n, 4)).astype(np.float32)
    vectors[n // 2 :] = vectors[: n - n // 2]  # some say the same
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    bare = draw(st.booleans())  # as a caller makes them, without what a retriever tells of their places
    return Candidates(
        random.permutation(100)[:n].astype(np.int64), scores[order], costs[order].astype(np.int64),
        draw(st.sampled_from([None, vectors])), draw(st.sampled_from([None, aspects[order]])),
        "" if bare else "when are refunds paid?",
        None if bare else random.integers(0, 4, n),
        None if bare else [f"{TEXTS[number]} {number}" for number in random.integers(0, len(TEXTS), n).tolist()],
        None if bare else [PATHS[number] for number in random.integers(0, len(PATHS), n).tolist()],
    )  # fmt: skip


@every_selector
@settings(deadline=None)
@given(offered=candidates(), tokens=st.integers(0, 300))
def test_the_contract(name: str, offered: Candidates, tokens: int) -> None:
    selection = build(name, "select", SUPPLIES)(offered, Budget(tokens))
    kept = [index for index, decision in enumerate(selection.decisions) if decision.kept]
    assert int(offered.costs[selection.indices].sum()) <= tokens
    assert sorted(selection.indices.tolist()) == kept
    assert offered.ids[selection.indices].tolist() == sorted(offered.ids[selection.indices].tolist())
    assert len(selection.decisions) == len(offered)
    for index, decision in enumerate(selection.decisions):
        assert decision.reason
        assert (decision.score, decision.cost) == (offered.scores[index], offered.costs[index])
        if not decision.kept and decision.reason.startswith("costs"):
            assert decision.reason.startswith(f"costs {decision.cost} of the ")
            assert decision.cost > int(decision.reason.split()[4])
    assert build(name, "select", SUPPLIES)(offered, Budget(tokens)).decisions == selection.decisions


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


with_aspects = candidates(most=7, nonnegative=True).filter(
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
        gain = Coverage(offered, scale, floor)
        for index in small:
            gain.take(index)
        assert to_small <= float(gain()[other]) * int(offered.costs[other]) * (1 + 1e-4) + 1e-4


@settings(deadline=None, max_examples=50)
@given(with_aspects, st.integers(1, 150), st.floats(5, 200))
def test_greedy_keeps_its_guarantee(offered: Candidates, tokens: int, scale: float) -> None:
    """The better of greedy and the best single candidate, against every set that fits."""
    taken, _, _ = greedy(offered, tokens, Coverage(offered, scale, 0.2))
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


@given(st.lists(st.integers(0, 9), max_size=12).map(lambda scores: sorted(scores, reverse=True)), st.floats(0.05, 1))
def test_nucleus(scores: list[int], mass: float) -> None:
    count = nucleus(np.array(scores, dtype=np.float32), mass)
    if sum(scores):
        assert sum(scores[:count]) >= mass * sum(scores) * (1 - 1e-6)
        assert sum(scores[: count - 1]) < mass * sum(scores)
    assert count == 1 if scores and not sum(scores) else count <= len(scores)


def test_ties_go_to_the_earlier() -> None:
    offered = Candidates(np.array([4, 2, 8]), np.ones(3, np.float32), np.full(3, 5))
    taken, gains, _ = greedy(offered, 10, Relevance(offered))
    assert taken == [0, 1]
    assert gains.tolist() == [1, 1, 1]
    assert by_position(offered, taken).tolist() == [1, 0]
