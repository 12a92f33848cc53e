"""The claims of the selectors, each with a control that must lose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chunkwise.budget import Budget
from chunkwise.recipe import build
from chunkwise.select import route
from chunkwise.select.recipes import searched
from chunkwise.units import Candidates


def two_sided() -> Candidates:
    """Ten candidates that speak to the question's first part, each a little better than the two that know the other."""
    first = np.array([[1.0 - 0.01 * n, 0.0] for n in range(10)], dtype=np.float32)
    second = np.array([[0.0, 0.8], [0.0, 0.78]], dtype=np.float32)
    aspects = np.concatenate([first, second])
    return Candidates(np.arange(12), aspects.sum(axis=1), np.full(12, 100), None, aspects)


def test_coverage() -> None:
    """Both parts of the question are covered where the best by score are all about one of them."""
    offered = two_sided()

    def covered(spec: str) -> np.ndarray:
        selection = build(spec, "select")(offered, Budget(400))
        assert offered.aspects is not None
        return offered.aspects[selection.indices].max(axis=0) > 0

    assert covered("coverage").tolist() == [True, True]
    assert covered("top-k:k=4").tolist() == [True, False]
    assert covered("coverage:spread=1e9").tolist() == [True, False]  # the control: nothing ever saturates


def test_top_k() -> None:
    """The k best and no other, and never more than the budget holds."""
    offered = two_sided()
    select = build("top-k:k=3", "select")
    assert select(offered, Budget(10_000)).indices.tolist() == [0, 1, 2]
    assert select(offered, Budget(250)).indices.tolist() == [0, 1]
    assert len(build("coverage", "select")(offered, Budget(10_000)).indices) > 3  # the control knows no k


def test_top_p() -> None:
    """A sharp ranking is cut early and a flat one late, which no single k does."""
    sharp = Candidates(np.arange(10), np.array([90, 2, 2, 1, 1, 1, 1, 1, 1, 0.5], np.float32), np.full(10, 10))
    flat = Candidates(np.arange(10), np.ones(10, dtype=np.float32), np.full(10, 10))

    def shares(spec: str) -> list[tuple[int, float]]:
        found = []
        for offered in (sharp, flat):
            taken = build(spec, "select")(offered, Budget(1000)).indices
            found.append((len(taken), float(offered.scores[taken].sum() / offered.scores.sum())))
        return found

    assert [count for count, _ in shares("top-p:p=0.8")] == [1, 8]
    assert all(share >= 0.799 for _, share in shares("top-p:p=0.8"))
    for k in range(1, 10):  # the control: one k either wastes on the sharp ranking or starves the flat one
        (wasted, _), (_, starved) = shares(f"top-k:k={k}")
        assert wasted > 1 or starved < 0.799


def costs(offered: Candidates, spec: str, budget: int) -> tuple[list[int], int]:
    """What a selector takes, and the tokens that it costs."""
    taken = build(spec, "select")(offered, Budget(budget)).indices
    return taken.tolist(), int(offered.costs[taken].sum())


def test_sage() -> None:
    """The cut lands on the gap wherever it is: all of the evidence for less than any k that keeps it everywhere."""
    lists = []
    for good in (8, 11, 15):
        scores = np.concatenate([np.linspace(1, 0.7, good), np.linspace(0.2, 0.1, 25 - good)]).astype(np.float32)
        lists.append((good, Candidates(np.arange(25), scores, np.full(25, 30))))
    spent = 0
    for good, offered in lists:
        taken, tokens = costs(offered, "sage", 10_000)
        assert taken == [*range(good)]
        spent += tokens
    for k in range(1, 26):  # the control: a single k for all of them loses evidence or costs more
        runs = [costs(offered, f"top-k:k={k}", 10_000) for _, offered in lists]
        whole = all(len(taken) >= good for (taken, _), (good, _) in zip(runs, lists, strict=True))
        assert not whole or sum(tokens for _, tokens in runs) > spent


def around(*centres: tuple[int, int], dimensions: int = 8) -> np.ndarray:
    """Unit vectors: for each (axis, count) that many close to that axis."""
    random = np.random.default_rng(0)
    vectors = np.concatenate([np.tile(np.eye(dimensions)[axis], (count, 1)) for axis, count in centres])
    vectors = vectors + 0.05 * random.normal(size=vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def copies() -> Candidates:
    """Six that say nearly the same, the best by score; then six, a little weaker, each on a subject of its own."""
    vectors = around((0, 6), *((axis, 1) for axis in range(1, 7)))
    return Candidates(np.arange(12), np.linspace(1, 0.8, 12).astype(np.float32), np.full(12, 10), vectors)


def subjects(taken: Sequence[int]) -> int:
    """How many of the subjects of `copies` are taken."""
    return len({max(0, index - 5) for index in taken})


def test_mmr() -> None:
    """One of the copies and then other subjects, where the best by score are copies."""
    assert subjects(costs(copies(), "mmr", 60)[0]) == 6
    assert subjects(costs(copies(), "top-k:k=6", 60)[0]) == 1
    assert subjects(costs(copies(), "mmr:weight=1", 60)[0]) == 1  # the control: relevance alone


def test_k_center() -> None:
    """Every cluster has its one before any has two; what is off the subject is not taken for being far away."""
    vectors = around((0, 8), (1, 4), (2, 2), (3, 1), (4, 1))
    scores = np.concatenate([np.linspace(1, 0.8, 15), [0.1]]).astype(np.float32)
    cluster = np.repeat(np.arange(5), [8, 4, 2, 1, 1])
    offered = Candidates(np.arange(16), scores, np.full(16, 10), vectors)
    assert sorted(cluster[costs(offered, "k-center", 40)[0]].tolist()) == [0, 1, 2, 3]
    assert 4 in cluster[costs(offered, "k-center:among=0", 50)[0]]  # all far ones, the irrelevant one too
    assert set(cluster[costs(offered, "top-k:k=4", 40)[0]].tolist()) == {0}  # the control


def test_information_gain() -> None:
    """Rare subjects are reached, by both measures, where the best by score stay with the frequent one."""
    vectors = around((0, 12), (1, 2), (2, 1))
    scores = np.linspace(1, 0.7, 15).astype(np.float32)
    subject = np.repeat(np.arange(3), [12, 2, 1])
    offered = Candidates(np.arange(15), scores, np.full(15, 10), vectors)
    for measure in ("graph", "log-det"):
        taken = subject[costs(offered, f"information-gain:measure={measure}", 60)[0]]
        assert set(taken.tolist()) == {0, 1, 2}, measure
    assert set(subject[costs(offered, "top-k:k=6", 60)[0]].tolist()) == {0}
    # The control: worth that does not fade, so that information is mass and nothing more.
    assert set(subject[costs(offered, "information-gain:power=1", 60)[0]].tolist()) == {0}


def test_context_bubble() -> None:
    """Within budget and caps, the same trace each time; without its diversity it takes copies."""
    plain = copies()
    paths = [("Returns",)] * 6 + [(f"Part {number}",) for number in range(6)]
    offered = Candidates(plain.ids, plain.scores, plain.costs, plain.vectors, None, "returns?", None, None, paths)
    whole, bare = "context-bubble", "context-bubble:cover=0,repeat=0,cap=1"

    def redundancy(spec: str) -> float:
        taken, tokens = costs(offered, spec, 60)
        assert tokens <= 60
        assert offered.vectors is not None
        cosines = offered.vectors[taken] @ offered.vectors[taken].T
        return float(np.triu(cosines, 1).sum() / (len(taken) * (len(taken) - 1) / 2))

    assert redundancy(whole) < 0.5 < redundancy(bare)
    capped, free = (
        costs(offered, spec, 60)[0] for spec in ("context-bubble:repeat=0", "context-bubble:repeat=0,cap=1")
    )
    assert sum(index < 6 for index in capped) == 3 < sum(index < 6 for index in free)
    runs = [build(whole, "select")(offered, Budget(60)).decisions for _ in range(2)]
    assert runs[0] == runs[1]
    assert all("relevance" in one.reason or one.reason.startswith(("costs", "its section")) for one in runs[0])


def test_corag() -> None:
    """The tree finds the two that are worth more together than the one that greedy begins with."""
    fit = Candidates(np.arange(3), np.array([1, 0.98, 0.98], np.float32), np.array([60, 50, 50]))
    assert costs(fit, "corag", 100) == ([1, 2], 100)
    assert costs(fit, "corag:simulations=0", 100) == ([0], 60)  # the control: the greedy filling up alone

    # Under a planted utility: a third one makes every pair worse, and the best pair is without the best single one.
    def planted(offered: Candidates, tokens: int) -> Callable[[Sequence[int]], np.ndarray]:
        def utility(chosen: Sequence[int]) -> np.ndarray:
            sets = [frozenset([*chosen, item]) for item in range(len(offered))]
            return np.array([{1: 0.5 if 0 in s else 0.3, 2: 0.2}.get(len(s), 0.1) + 0.8 * (s == {3, 7}) for s in sets])

        return utility

    ten = Candidates(np.arange(10), np.linspace(1, 0.5, 10).astype(np.float32), np.full(10, 10))
    assert searched(planted)(ten, Budget(100)).indices.tolist() == [3, 7]
    assert searched(planted, simulations=0)(ten, Budget(100)).indices.tolist() == [0]
    # What the default utility leaves: the budget is not spent on what would only distract.
    idle = Candidates(np.arange(20), np.array([1.0] * 4 + [0.02] * 16, np.float32), np.full(20, 100))
    assert costs(idle, "corag", 2000)[0] == [0, 1, 2, 3]
    assert len(costs(idle, "top-k:k=20", 2000)[0]) == 20


def test_rcr_router() -> None:
    """Each role gets its facts within its own budget, where one ranking gives all roles the same."""
    texts = [f"General remark {number} on the company and its history." for number in range(8)]
    texts += [
        "Invoices above 900 are paid in June.",
        "The kiln must never exceed 1300 degrees.",
        "Holidays begin in May.",
    ]
    scores = np.concatenate([np.linspace(0.9, 0.8, 8), [0.5, 0.45, 0.4]]).astype(np.float32)
    memory = Candidates(np.arange(11), scores, np.full(11, 10), texts=texts)
    roles = {"accountant": "invoices, payments", "potter": "kiln temperature degrees", "planner": "holidays, deadlines"}
    needs = {"accountant": 8, "potter": 9, "planner": 10}
    budgets = {"accountant": 30, "potter": 20, "planner": 10}
    routed = route(memory, roles, budgets)
    for name, selection in routed.items():
        assert needs[name] in selection.indices
        assert memory.costs[selection.indices].sum() <= budgets[name]
        alone = build(f"rcr:role={roles[name].replace(',', '')}", "select")(memory, Budget(budgets[name]))
        assert alone.indices.tolist() == selection.indices.tolist()
        control = build("rcr-router", "select")(memory, Budget(budgets[name]))  # no role: by score
        assert needs[name] not in control.indices
    # The stage counts too: what is done now brings in what no role alone asks for.
    now = route(memory, {"planner": roles["planner"]}, 20, stage="invoices")["planner"].indices.tolist()
    assert now == [8, 10]
