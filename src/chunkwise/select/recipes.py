"""Selectors: candidates and a budget in, a selection with a reason for every candidate out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chunkwise.errors import UserError
from chunkwise.recipe import recipe
from chunkwise.select.cut import nucleus, sharp_drop, threshold, top_k
from chunkwise.select.gain import Concave, Coverage, Distance, Gain, LogDet, Redundancy, Relevance, Weighted, scaled
from chunkwise.select.grouped.group import sections
from chunkwise.select.roles import for_role, mention
from chunkwise.select.search import Choice, Refusal, greedy, leading, no_refusal, too_dear
from chunkwise.select.selector import Selector, selector
from chunkwise.select.tree import completed, mcts
from chunkwise.select.utility import Informed
from chunkwise.units import Candidates, Floats

# Cut


@recipe(
    "top-k",
    family="select",
    seed="The plain control: what most retrieval pipelines do",
    claim="takes the k best by score, never more than the budget holds",
)
def top_k_(k: int = 5) -> Selector:
    """The first k candidates, those that fit."""
    return _first(lambda scores: int(top_k(scores, k)), f"not among the {k} best")


@recipe(
    "top-p",
    family="select",
    seed="The Curious Case of Neural Text Degeneration",
    claim="takes the smallest set of best candidates that holds a share p of all scores",
)
def top_p(p: float = 0.5) -> Selector:
    """Nucleus selection carried from tokens to chunks: the fewest best that hold p of the scores' sum."""
    return _first(
        lambda scores: int(nucleus(scores.clip(min=0), p)), f"outside the best that hold {p:.0%} of the score"
    )


@recipe(
    "sage",
    family="select",
    seed="SAGE: A Framework of Precise Retrieval for RAG",
    claim="cuts where the score falls sharply: fewer tokens than top-k at equal recall of the evidence",
)
def sage(drop: float = 0.3, at_least: int = 7) -> Selector:
    """The best first, up to the first that scores less than `drop` times the one ahead of it.

    at_least: how many are taken however their scores fall. The paper's selection by gradient; its loop, in which a
    language model reads the answer and asks for more or for less, is not part of it. The scores are the retriever's
    where the paper has a cross-encoder's, and chunks here may be single sentences, of which a question often needs more
    than seven.
    """
    return _first(lambda scores: int(sharp_drop(scores, drop, at_least)), f"after a fall to less than {drop:.0%}")


def _first(cut: Callable[[Floats], int], beyond: str) -> Selector:
    """As many of the best as the cut keeps of the scores, those that fit."""

    def choose(offered: Candidates, tokens: int) -> Choice:
        return greedy(offered.costs, tokens, Relevance(offered.scores), leading(cut(offered.scores), beyond))

    return selector(choose)


# Gain


@recipe(
    "coverage",
    family="select",
    seed="A Class of Submodular Functions for Document Summarization",
    claim="covers every part of a question where taking by score alone spends the budget on one of them",
)
def coverage(spread: float = 2.0, floor: float = 0.2, twin: float = 0.0) -> Selector:
    """Relevance plus new coverage minus redundancy, greedy by gain per token.

    Redundancy is what saturation takes away: a second chunk that speaks to the same words of the question gains less.

    spread: how many budgets full of its strongest evidence take an aspect's worth 1/e of the way to `floor`; twin:
    cosine from which a candidate is refused as a repetition, 0 for never. Static vectors hardly tell one row of a table
    from the next, so refusing is for prose.
    """

    def choose(offered: Candidates, tokens: int) -> Choice:
        gain = Coverage(offered.scores, offered.costs, offered.aspects, spread * max(1, tokens), floor)
        return greedy(offered.costs, tokens, gain, _twins(offered, twin) if twin else no_refusal)

    return selector(choose)


@recipe(
    "mmr",
    family="select",
    seed="The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
    claim="passes over what repeats a passage already taken, where the best by score are copies of one another",
)
def mmr(weight: float = 0.7) -> Selector:
    """Maximal marginal relevance: weight * relevance + (1 - weight) * distance from the nearest one taken.

    Relevance is the score relative to the best one, distance 1 - cosine. Where there are no vectors, the parts of the
    question that candidates speak to stand in for them.
    """

    def choose(offered: Candidates, tokens: int) -> Choice:
        gain = Weighted(
            relevance=(weight, Relevance(scaled(offered.scores))), distance=(1 - weight, Distance(_meaning(offered)))
        )
        return greedy(offered.costs, tokens, gain, why=gain.why)

    return selector(choose)


@recipe(
    "k-center",
    family="select",
    seed="ToDRE: Visual Token Pruning via Diversity and Task Awareness for Efficient Large Vision-Language Models",
    claim="takes one of every cluster of meaning before a second of any, where the best by score leave clusters out",
)
def k_center(among: float = 0.5) -> Selector:
    """Greedy k-center among what is relevant: the best first, then always what is farthest from all taken.

    among: least score, relative to the best. The paper drops what does not bear on the task after choosing centres, in
    the decoder; here it is left out beforehand, since what is farthest from everything is most often off the subject.
    """

    def choose(offered: Candidates, tokens: int) -> Choice:
        count = int(threshold(scaled(offered.scores), among))
        beyond = leading(count, f"scores below {among:.0%} of the best")
        return greedy(offered.costs, tokens, Distance(_meaning(offered)), beyond)

    return selector(choose)


@recipe(
    "information-gain",
    family="select",
    seed="MIG: Automatic Data Selection for Instruction Tuning by Maximizing Information Gain in Semantic Space",
    claim="reaches rare subjects that the best by score leave out, since each subject's worth grows ever more slowly",
)
def information_gain(measure: str = "graph", alike: float = 0.5, power: float = 0.8, noise: float = 0.1) -> Selector:
    """The greatest gain of information about all candidates, relevance counting as quality.

    measure: "graph", the paper's: what a candidate says spreads to those whose cosine is at least `alike`, and the
    worth of what gathers at each of them is its mass to the `power`; or "log-det", the information that noisy readings
    of correlated Gaussians give (`noise` is the reading's variance). The paper's graph joins labels that a model gave;
    here every candidate is its own label.
    """
    if measure not in ("graph", "log-det"):
        raise UserError(f"information-gain cannot measure by {measure!r}; write measure=graph or measure=log-det")

    def gain(offered: Candidates) -> Gain:
        meaning, quality = _meaning(offered), scaled(offered.scores).clip(min=0)
        if measure == "log-det":
            return LogDet(quality, meaning, noise)
        cosine = meaning @ meaning.T
        np.fill_diagonal(cosine, 1)
        spread = np.where(cosine >= alike, cosine, 0)
        said = quality[:, None] * (spread / spread.sum(axis=1, keepdims=True))
        paid = (offered.costs / max(1.0, float(offered.costs.mean() if len(offered) else 1))).astype(np.float32)
        return Concave(said, paid[:, None] * said, lambda mass: power * (mass + 1e-2) ** (power - 1))

    return selector(lambda offered, tokens: greedy(offered.costs, tokens, gain(offered)))


@recipe(
    "context-bubble",
    family="select",
    seed="Structure and Diversity Aware Context Bubble Construction for Enterprise Retrieval Augmented Systems",
    claim="keeps within the budget and each section's cap; without its terms for diversity it repeats itself",
)
def context_bubble(
    anchors: int = 1, prior: float = 0.2, cover: float = 0.5, repeat: float = 0.2, cap: float = 0.5
) -> Selector:
    """Anchors, then greedily relevance + prior + coverage - redundancy, within the budget and each section's cap.

    anchors: how many are first taken by relevance times (1 + structural prior) alone; prior, cover, repeat: weights of
    the other terms, where relevance weighs 1; cap: what share of the budget one section may have, where there are
    several. It stops when no gain is above 0. Every reason shows the terms. The structural prior is how much of the
    question stands in the headings, coverage what the parts of the question still lack, redundancy the largest cosine
    with one taken. The abstract names the terms and neither formulas nor weights: these are our reconstruction.
    """

    def choose(offered: Candidates, tokens: int) -> Choice:
        headings = None if offered.paths is None else [" ".join(path) for path in offered.paths]
        relevance, structure = scaled(offered.scores), mention(offered.query, headings, len(offered))
        parts: Floats = relevance[:, None] if offered.aspects is None else offered.aspects.clip(min=0)
        aspects: Floats = np.divide(parts, max(1e-9, float(parts.sum(axis=1).max(initial=0))), dtype=np.float32)
        gain = Weighted(
            relevance=(1.0, Relevance(relevance)),
            prior=(prior, Relevance(structure)),
            coverage=(cover, Coverage(aspects.sum(axis=1), offered.costs, aspects, max(1, tokens), floor=0.0)),
            redundancy=(-repeat, Redundancy(_meaning(offered))),
        )
        first = np.argsort(-relevance * (1 + structure), kind="stable")[:anchors].tolist()
        return greedy(offered.costs, tokens, gain, _capped(offered, cap * tokens), gain.why, first)

    return selector(choose)


def _meaning(offered: Candidates) -> Floats:
    """What candidates are told apart by, [n, d], rows of length 1 or 0: vectors, else aspects, else nothing."""
    if offered.vectors is not None:
        return offered.vectors
    aspects = np.zeros((len(offered), 1), dtype=np.float32) if offered.aspects is None else offered.aspects
    length = np.linalg.norm(aspects, axis=1, keepdims=True)
    rows: Floats = np.divide(aspects, np.where(length > 0, length, 1), dtype=np.float32)
    return rows


def _twins(offered: Candidates, alike: float) -> Refusal:
    vectors = offered.vectors
    if vectors is None:
        return no_refusal

    def refuse(index: int, taken: list[int]) -> str:
        if not taken:
            return ""
        cosines = vectors[taken] @ vectors[index]
        nearest = int(cosines.argmax())
        if cosines[nearest] < alike:
            return ""
        return f"says the same as number {nearest + 1} taken (cosine {cosines[nearest]:.2f})"

    return refuse


def _capped(offered: Candidates, cap: float) -> Refusal:
    """Refuses what would take its section above `cap` tokens, where there are several sections."""
    section, costs = sections(offered).tolist(), offered.costs.tolist()
    if not any(section):
        return no_refusal

    def refuse(index: int, taken: list[int]) -> str:
        spent = sum(costs[other] for other in taken if section[other] == section[index])
        return f"its section has {spent} of the {cap:.0f} tokens it may" if spent + costs[index] > cap else ""

    return refuse


# Search


@recipe(
    "corag",
    family="select",
    seed="CORAG: A Cost-Constrained Retrieval Optimization System for Retrieval-Augmented Generation",
    claim="finds the pair that is worth more together where greedy starts from the best single one and is stuck",
    aliases=("carrot",),
)
def corag(simulations: int = 500, explore: float = 0.1, thrift: float = 0.2, width: int = 16) -> Selector:
    """The best ordered set that a Monte Carlo tree search sees, its cost part of the reward; then greedily more.

    explore, thrift: weights of the confidence bound's width and of the cost; width: children of a node. The utility is
    `Informed`: it is not monotone, so that the budget need not be spent; another one goes by `searched`. Nothing is
    random. The paper's tree has all candidates as children, explore 1.41 and whole passages: of hundreds of sentences
    five hundred simulations would then see no set of more than three. So a node has its best children only, and the
    best set is filled up greedily for as long as its utility rises. The paper's reward is a cross-encoder's reading of
    the set in its order; ours does not know the order, and the prompt is laid out by position in any case. The paper's
    agent that predicts parameters for each question is not part of it.
    """

    def utility(offered: Candidates, tokens: int) -> Informed:
        return Informed(offered.scores, offered.costs, tokens, offered.aspects, offered.vectors)

    return searched(utility, simulations, explore, thrift, width)


def searched(
    utility: Callable[[Candidates, int], Callable[..., Floats]],
    simulations: int = 500,
    explore: float = 0.1,
    thrift: float = 0.2,
    width: int = 16,
) -> Selector:
    """A selector by tree search under any utility: given candidates and tokens, a `chunkwise.select.tree.Utility`."""

    def choose(offered: Candidates, tokens: int) -> Choice:
        worth = utility(offered, tokens)
        found = mcts(offered.costs, tokens, worth, simulations, explore, thrift, width)
        found = completed(found, offered.costs, tokens, worth)
        left = tokens - int(offered.costs[list(found.items)].sum())
        gains = (worth(found.items) - found.worth).astype(np.float32)
        reasons = [
            too_dear(cost, left) if cost > left else f"would take the set from {found.worth:.3f} to {then:.3f}"
            for cost, then in zip(offered.costs.tolist(), (found.worth + gains).tolist(), strict=True)
        ]
        before = 0.0
        for at, item in enumerate(found.items):
            value = float(worth(found.items[:at])[item])
            gains[item], reasons[item] = value - before, f"takes the set from {before:.3f} to {value:.3f}"
            before = value
        return Choice(list(found.items), gains, reasons)

    return selector(choose)


# Roles


@recipe(
    "rcr-router",
    family="select",
    seed="RCR-Router: Efficient Role-Aware Context Routing for Multi-Agent LLM Systems with Structured Memory",
    claim="gives each role the facts that it needs within its own budget, where one ranking gives all roles the same",
    aliases=("rcr",),
)
def rcr_router(role: str = "", stage: str = "", attend: float = 1.0, now: float = 0.5) -> Selector:
    """What one role needs of a shared memory: relevance + attend * role + now * stage, the best that its budget holds.

    role: words for what the role attends to; stage: words for what is being done now; how far a candidate speaks to
    them is the share of the words that it has, rare ones counting more. `chunkwise.select.route` serves many roles from
    one set of candidates, each within its budget. The paper's memory is structured and its agents write back to it;
    here it is whatever was retrieved, and nothing is written. Without texts it is taking by score.
    """
    return for_role(role, stage, attend, now)
