"""Selectors that divide the budget among groups of candidates."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError
from chunkwise.recipe import recipe
from chunkwise.select.gain import Quota, Relevance, scaled
from chunkwise.select.grouped.bandit import ucb
from chunkwise.select.grouped.group import grouping, numbered, strata
from chunkwise.select.grouped.quota import quotas
from chunkwise.select.search import Choice, Refusal, greedy, leading, no_refusal
from chunkwise.select.selector import Selector, selector
from chunkwise.units import Candidates, Floats, Ints


@recipe(
    "coverage-strata",
    family="select",
    seed="Coverage-centric Coreset Selection for High Pruning Rates",
    claim="takes of every stratum of scores where the best by score take of the highest alone",
)
def coverage_strata(levels: int = 5, drop: float = 0.1, seed: int = 0) -> Selector:
    """An equal share of the budget for each stratum of scores, and in it candidates drawn at random.

    levels: how many equally wide strata; drop: share of the candidates, those that score least, left out beforehand;
    seed: of the draw. What a stratum cannot use goes to the others. The paper's score is a training sample's
    difficulty; a retriever's score knows much better what is worth reading, so that this is a control for packing.
    """
    if levels < 1:
        raise UserError(f"coverage-strata cannot make {levels} strata; write levels=1 or more")

    def choose(offered: Candidates, tokens: int) -> Choice:
        kept = len(offered) - int(drop * len(offered))
        drawn = np.random.default_rng(seed).permutation(len(offered)).astype(np.float32) + 1
        level = np.full(len(offered), levels, dtype=np.int64)  # a stratum more, without quota, for those left out
        level[:kept] = strata(offered.scores[:kept], levels)
        weights = np.ones(levels + 1)
        weights[levels] = 0
        beyond = leading(kept, f"among the {drop:.0%} that score least")
        return _shared(offered, tokens, level, drawn, weights, "stratum", beyond)

    return selector(choose)


@recipe(
    "cluster-quota",
    family="select",
    seed="QuoTA: Query-oriented Token Assignment via CoT Query Decouple for Long Video Comprehension",
    claim="leaves a smaller cluster its share of the budget where the best by score spend all on the largest",
)
def cluster_quota(by: str = "cluster", groups: int = 8, sharpness: float = 1.0) -> Selector:
    """A share of the budget for each group by its relevance, spent on its best; what is left on the best of all.

    by: "cluster" (of vectors, `groups` of them), "document" or "section"; sharpness: the power of a group's best score
    that its share is proportional to, 0 for equal shares. The paper gives tokens to the frames of a video by their
    relevance to the question, as a model decouples it; here groups of text take the place of frames.
    """
    grouped = grouping(by, groups)

    def choose(offered: Candidates, tokens: int) -> Choice:
        group, relevance = grouped(offered), scaled(offered.scores).clip(min=0)
        best = np.zeros(int(group.max(initial=-1)) + 1)
        np.maximum.at(best, group, relevance)
        return _shared(offered, tokens, group, offered.scores, np.where(best > 0, best**sharpness, 0), by)

    return selector(choose)


def _shared(
    offered: Candidates,
    tokens: int,
    group: Ints,
    worth: Floats,
    weights: npt.NDArray[np.float64],
    kind: str,
    refuse: Refusal = no_refusal,
) -> Choice:
    """Greedy by worth [n] within each group's quota of the tokens, by weights [g]; then whatever is best."""
    sizes = np.bincount(group, weights=offered.costs, minlength=len(weights))
    quota = quotas(sizes, tokens, weights)
    gain = Quota(worth, offered.costs, group, quota)

    def why(index: int) -> str:
        at = int(group[index])
        rest = "" if gain.within()[index] else ", which are spent: of what others left"
        return f"{kind} {at + 1} of {len(quota)} has {quota[at]:.0f} tokens{rest}"

    return greedy(offered.costs, tokens, gain, refuse, why)


@recipe(
    "bandit",
    family="select",
    seed="Harnessing Diversity for Important Data Selection in Pretraining Large Language Models",
    claim="finds most of the good candidates looking at few, where looking at all groups alike finds fewer",
)
def bandit(by: str = "document", looks: float = 0.5, explore: float = 0.1, groups: int = 8) -> Selector:
    """Looks at some candidates' scores, in the groups that turn out well; then takes the best of those seen.

    A group ("document", "section", or "cluster" of `groups`) is an arm, a look reveals the score of its next candidate
    in the order of the index. looks: share of the candidates whose score may be looked at; explore: weight of the
    confidence bound's width. The tokens go to what was seen, the best first, so groups given up get none. It is for
    scores that cost something, a language model's or a cross-encoder's: `chunkwise.select.ucb` takes any function that
    reveals one. The retriever's scores are there at no cost, so that for packing it shows what half the looks find.
    The paper's arms are clusters of a corpus and its score is a training sample's influence.
    """
    grouped = grouping(by, groups)

    def choose(offered: Candidates, tokens: int) -> Choice:
        order = np.argsort(offered.ids, kind="stable")  # no order that a score had a part in
        group = np.empty(len(offered), dtype=np.int64)
        group[order] = arms = numbered(grouped(offered)[order].tolist())
        shares = scaled(offered.scores).clip(min=0)
        places = order.tolist()
        seen = ucb(arms, lambda at: float(shares[places[at]]), math.ceil(looks * len(offered)), explore)
        known = {places[at]: score for at, score in seen.items()}
        best = np.zeros(int(arms.max(initial=-1)) + 1)
        for at, score in known.items():
            best[group[at]] = max(best[group[at]], score)

        def unseen(index: int, taken: list[int]) -> str:
            return "" if index in known else f"not looked at: its {by} is {best[group[index]]:.2f} at best"

        return greedy(offered.costs, tokens, Relevance(offered.scores), unseen)

    return selector(choose)
