"""Transforms (logits in, logits out), searches (whole continuations), and votes among answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

from chunkwise.engine.sample import beam, best_first, codes, ratio, superpose
from chunkwise.engine.sample.funnel import Options, funnel
from chunkwise.engine.sample.language import Doubles, Draft, Language, Search, Tokens
from chunkwise.engine.sample.sampler import transforms
from chunkwise.engine.sample.support import certified
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
from chunkwise.engine.sample.vote import UTILITIES, Utility, crowd, majority_then_best
from chunkwise.errors import UserError
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


@recipe(
    "basis-aware",
    family="sample",
    seed="Closing the Curious Case of Neural Text Degeneration",
    claim="keeps an unlikely token that the output matrix proves true, and strikes out a likelier one that it does not",
)
def basis_aware(tau: float = 0.1, most: int = 20, rank: int = 20) -> Callable[[Doubles], Transform]:
    """Given the output matrix [vocab, width], the transform that keeps what must have a share in the true law.

    tau: how much of a token's probability may be error; most: how many tokens under tau are looked into; rank: how
    many directions of the matrix count. Needs SciPy. Our reconstruction: no tokens are fused, and it strikes tokens out
    rather than draws again.
    """
    return partial(certified, tau=tau, most=most, rank=rank)


@recipe(
    "arithmetic-sampling",
    family="sample",
    seed="Arithmetic Sampling: Parallel Diverse Decoding for Large Language Models",
    claim="every draft has the model's law, and the drafts together vary less than independent ones",
)
def arithmetic_sampling(n: int = 8, seed: int = 0, of: str = "") -> Search[[Language, Tokens, int]]:
    """`n` drafts by evenly spaced codes; of: the chain of transforms before each draw, as `temperature:t=0.7`."""
    transform = transforms(of) if of else None
    return Search(lambda language, prefix, limit: codes.decode(language, prefix, limit, n, seed, transform))


@recipe(
    "priority-sampling",
    family="sample",
    seed="Priority Sampling of Large Language Models for Compilers",
    claim="different drafts, the greedy one first, the same every time, and all of them match the expression",
)
def priority_sampling(n: int = 8, pattern: str = "") -> Search[[Language, Tokens, int]]:
    """Up to `n` drafts, each the greedy end of the likeliest path not taken yet; pattern: what each must spell."""
    return Search(lambda language, prefix, limit: best_first.by_priority(language, prefix, limit, n, pattern))


@recipe(
    "nucleus-beam",
    family="sample",
    seed="What Do You Get When You Cross Beam Search with Nucleus Sampling?",
    claim="the most probable sequence of the pruned tree, which greedy search and a narrow beam miss",
)
def nucleus_beam(p: float = 0.9, dynamic: bool = False, most: int = 1000) -> Search[[Language, Tokens, int]]:
    """The best sequence within every step's nucleus; or, dynamic, a beam of the fewest that hold `p`.

    most: prefixes looked into, or the beam's greatest width. The paper found it as good as beam search, no better.
    """
    found = beam.dynamic if dynamic else best_first.exact
    return Search(lambda language, prefix, limit: found(language, prefix, limit, p, most))


@recipe(
    "superposed-decoding",
    family="sample",
    seed="Superposed Decoding: Multiple Generations from a Single Autoregressive Inference Pass",
    claim="several drafts for one pass a token, and n-grams keep each of them to what its own words allow",
)
def superposed_decoding(k: int = 3, alpha: float = 0.5) -> Search[[superpose.Mixed, superpose.Grams, Tokens, int]]:
    """`k` drafts of a model that hears mixed vectors; alpha: the n-grams' part in each draft's score."""
    return Search(lambda model, grams, prefix, limit: superpose.drafts(model, grams, prefix, limit, k, alpha))


@recipe(
    "mpg-scr",
    family="sample",
    seed="Multi-Personality Generation of LLMs at Decoding-time",
    claim="drafts lie nearer the blended law than those of the model that proposes them",
)
def mpg_scr(
    weight: float = 1.0, chunk: int = 4, parallel: int = 8, window: int = 64, seed: int = 0
) -> Search[[Language, Sequence[Language], Tokens, int]]:
    """One draft of a reference and of others that each count with `weight`, by chunks that are taken or not."""

    def find(reference: Language, others: Sequence[Language], prefix: Tokens, limit: int) -> list[Draft]:
        weights = [weight] * len(others)
        return [ratio.blended(reference, others, weights, prefix, limit, chunk, parallel, window, seed)]

    return Search(find)


def _utility(name: str) -> Utility:
    if name not in UTILITIES:
        raise UserError(f"no utility {name!r}: there are {', '.join(UTILITIES)}")
    return UTILITIES[name]


@recipe(
    "crowd-sampling",
    family="test-time-search",
    seed="Follow the Wisdom of the Crowd: Effective Text Generation via Minimum Bayes Risk Decoding",
    claim="with equality it is the majority's answer; with overlap the answer that most of the others are near to",
    aliases=("mbr",),
)
def crowd_sampling(utility: str = "same") -> Callable[[Sequence[Hashable]], int]:
    """The place of the answer of greatest mean utility; utility: `same` or `overlap`."""
    return partial(crowd, utility=_utility(utility))


@recipe(
    "quasi-random-multi-sample",
    family="survey-eval",
    seed="Quasi-random Multi-Sample Inference for Large Language Models",
    claim="more different drafts than independent draws, and a vote among them that varies less",
)
def quasi_random_multi_sample(n: int = 16, utility: str = "same", seed: int = 0) -> Search[[Language, Tokens, int]]:
    """One draft: that of greatest mean utility among `n` by arithmetic codes."""
    worth, sampled = _utility(utility), arithmetic_sampling(n, seed)

    def find(language: Language, prefix: Tokens, limit: int) -> list[Draft]:
        drafts = sampled(language, prefix, limit)
        return [drafts[crowd([draft.tokens for draft in drafts], worth)]]

    return Search(find)


@recipe(
    "best-of-majority",
    family="test-time-search",
    seed="Best-of-Majority: Minimax-Optimal Strategy for Pass@k Inference Scaling",
    claim="with a noisy reward more samples do no harm, where the best by reward alone gets worse",
)
def best_of_majority(k: int = 1, least: float = 0.1) -> Callable[[Sequence[Hashable], Doubles], list[Hashable]]:
    """Of answers that make up `least` of all, the `k` of highest reward; both constants are the caller's to choose.

    How large a share an answer needs is not taken from the paper: it depends on how far the reward is to be trusted.
    """
    return partial(majority_then_best, k=k, least=least)


@recipe(
    "sata-bench",
    family="survey-eval",
    seed="SATA-BENCH: Select All That Apply Benchmark for Multiple Choice Questions",
    claim="finds all options that apply though the model leans to some, where a fixed threshold does not",
    aliases=("choice-funnel",),
)
def sata_bench(least: float = 0.0) -> Callable[[Options, Doubles], list[int]]:
    """The choice funnel: the best option less its prior, until "none" wins or falls under `least`.

    What the paper's prompts do is left to whoever asks: these are its arithmetic and its rule to stop, as we read them.
    """
    return partial(funnel, least=least)
