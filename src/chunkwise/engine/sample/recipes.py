"""Samplers: logits in, logits out, with what should not be drawn struck out."""

from __future__ import annotations

from chunkwise.engine.sample.transform import (
    Transform,
    bounded_entropy,
    by_entropy,
    desmoothed,
    most_probable,
    nucleus_of,
    share_of_best,
    temperature,
)
from chunkwise.recipe import recipe


@recipe(
    "temperature",
    family="sample",
    seed="A Learning Algorithm for Boltzmann Machines",
    claim="below 1 the law is more peaked, above 1 flatter, and the order of the tokens stays",
)
def temperature_(t: float = 1.0) -> Transform:
    """Logits over `t`; at 0 the best token alone (Ackley, Hinton and Sejnowski 1985)."""
    return temperature(t)


@recipe(
    "top-k-sampling",
    family="sample",
    seed="Hierarchical Neural Story Generation",
    claim="keeps exactly the k most probable tokens",
)
def top_k_sampling(k: int = 50) -> Transform:
    """The k most probable tokens, however much or little they hold."""
    return most_probable(k)


@recipe(
    "nucleus-sampling",
    family="sample",
    seed="The Curious Case of Neural Text Degeneration",
    claim="keeps few tokens where the model is sure and many where it is not: the fewest that hold p",
    aliases=("top-p-sampling",),
)
def nucleus_sampling(p: float = 0.95) -> Transform:
    """The fewest tokens that hold `p` of the probability."""
    return nucleus_of(p)


@recipe(
    "min-p",
    family="sample",
    seed="Min P Sampling: Balancing Creativity and Coherence at High Temperature",
    claim="at a high temperature it still strikes out the unlikely tail, which top-p lets in",
)
def min_p(base: float = 0.1) -> Transform:
    """Tokens at least `base` times as probable as the best one.

    Where it stands in a chain is the caller's: before the temperature it cuts what the model said, after it what is
    drawn from. Published implementations differ in this.
    """
    return share_of_best(base)


@recipe(
    "eta-sampling",
    family="sample",
    seed="Truncation Sampling as Language Model Desmoothing",
    claim="keeps a likely second choice that top-p strikes out, and cuts deeper where the law is flat",
)
def eta_sampling(epsilon: float = 0.0009) -> Transform:
    """Tokens of probability min(epsilon, sqrt(epsilon) * exp(-entropy)) or more; the best always.

    epsilon: 0.0003 to 0.002 in the paper, more for smaller models.
    """
    return desmoothed(epsilon)


@recipe(
    "top-h",
    family="sample",
    seed="Top-H Decoding: Adapting the Creativity and Coherence with Bounded Entropy in Text Generation",
    claim="what it keeps has at most alpha times the entropy of the whole law, where top-p bounds no entropy",
)
def top_h(alpha: float = 0.4, most: int = 100) -> Transform:
    """The longest run of most probable tokens whose entropy, made whole again, is at most `alpha` of the whole law's.

    most: how many tokens are looked at. This is the definition; the authors' code adds one token more.
    """
    return bounded_entropy(alpha, most)


@recipe(
    "edt",
    family="sample",
    seed="EDT: Improving Large Language Models' Generation by Entropy-based Dynamic Temperature Sampling",
    claim="colder where the model is sure and hotter where it is not, between 0 and the hottest",
)
def edt(hottest: float = 1.0, base: float = 0.8, theta: float = 1.0) -> Transform:
    """Temperature hottest * base ** (theta / entropy) at every step; hottest and theta are to be tuned on the task."""
    return by_entropy(hottest, base, theta)
