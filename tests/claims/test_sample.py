"""Samplers do what their papers claim, each beside a control that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import regex

from chunkwise.engine.sample import Transform, transforms
from chunkwise.engine.sample.language import Language, Tokens
from chunkwise.engine.sample.transform import entropy, probabilities
from chunkwise.recipe import build

rng = np.random.default_rng(0)
SURE = np.log(np.array([0.9, *np.full(99, 0.1 / 99)]))
"""One token holds nine tenths."""
UNSURE = np.zeros(100)
"""All tokens are alike."""


def kept(spec: str, logits: np.ndarray) -> set[int]:
    return set(np.flatnonzero(np.isfinite(transforms(spec)(logits))).tolist())


def law(spec: str, logits: np.ndarray) -> np.ndarray:
    return probabilities(transforms(spec)(logits))


def test_temperature():
    """Colder is more peaked, hotter flatter, and the order stays; striking out the tail is no colder law."""
    logits = rng.normal(size=50)
    best = [law(f"temperature:t={t}", logits).max() for t in (0.3, 1, 3)]
    assert best == sorted(best, reverse=True)
    for t in (0.3, 3):
        assert (law(f"temperature:t={t}", logits).argsort() == logits.argsort()).all()
    two = np.sort(logits)[-2:]
    ratio = law("temperature:t=0.5", logits)[logits.argsort()[-2:]]
    assert ratio[1] / ratio[0] == pytest.approx(np.exp(2 * (two[1] - two[0])))
    control = law("top-k-sampling:k=2", logits)[logits.argsort()[-2:]]
    assert control[1] / control[0] == pytest.approx(np.exp(two[1] - two[0]))


def test_top_k_sampling():
    """Exactly the k best, where a share of the mass keeps more or fewer."""
    for logits in (SURE, UNSURE, rng.normal(size=100)):
        assert len(kept("top-k-sampling:k=7", logits)) == 7
    assert {len(kept("nucleus-sampling:p=0.9", logits)) for logits in (SURE, UNSURE)} == {1, 90}
    logits = rng.permutation(100).astype(float)
    assert kept("top-k-sampling:k=7", logits) == set(logits.argsort()[-7:].tolist())


def test_nucleus_sampling():
    """Few where the model is sure, many where it is not; a fixed number does neither."""
    for logits in (SURE, UNSURE, 3 * rng.normal(size=100)):
        p = np.sort(probabilities(logits))[::-1].cumsum()
        count = len(kept("nucleus-sampling:p=0.8", logits))
        assert p[count - 1] >= 0.8 - 1e-6
        assert count == 1 or p[count - 2] < 0.8
    assert len(kept("nucleus-sampling:p=0.8", SURE)) == 1
    assert len(kept("nucleus-sampling:p=0.8", UNSURE)) == 80
    assert len(kept("top-k-sampling:k=10", SURE)) == len(kept("top-k-sampling:k=10", UNSURE))


def test_min_p():
    """At a high temperature the unlikely tail stays out, which a nucleus lets in."""
    logits = np.concatenate([np.log([0.5, 0.3]), np.full(998, np.log(0.2 / 998))])
    for order in ("min-p:base=0.1|temperature:t=3", "temperature:t=1|min-p:base=0.1"):
        assert kept(order, logits) == {0, 1}
    hot = law("temperature:t=3|nucleus-sampling:p=0.95", logits)
    assert hot[2:].sum() > 0.5
    assert law("min-p:base=0.1|temperature:t=3", logits)[2:].sum() == 0


def test_eta_sampling():
    """A second choice of one in fifty stays where the model is sure; a flat law is cut by its entropy."""
    sure = np.log(np.array([0.96, 0.03, *np.full(98, 0.01 / 98)]))
    assert kept("eta-sampling:epsilon=0.002", sure) == {0, 1}
    assert kept("nucleus-sampling:p=0.95", sure) == {0}
    p = probabilities(np.linspace(2, -2, 3000))
    least = min(0.002, np.sqrt(0.002) * np.exp((p * np.log(p)).sum()))
    assert kept("eta-sampling:epsilon=0.002", np.log(p)) == set(np.flatnonzero(p >= least).tolist())
    assert least < 0.002


def test_top_h():
    """What is kept has at most alpha of the entropy, as near to it as a whole token allows; a nucleus bounds none."""
    for scale in (0.5, 1, 3):
        logits = scale * rng.normal(size=80)
        whole = entropy(logits)
        cut = transforms("top-h:alpha=0.4")(logits)
        count = np.isfinite(cut).sum()
        assert entropy(cut) <= 0.4 * whole + 2e-6
        longer = transforms(f"top-k-sampling:k={count + 1}")(logits)
        assert entropy(longer) > 0.4 * whole
        assert entropy(transforms("nucleus-sampling:p=0.95")(logits)) > 0.4 * whole


def test_edt():
    """The surer the model, the colder, and never hotter than the hottest; one temperature for all does not differ."""

    def sharpened(transform: Transform, logits: np.ndarray) -> float:
        return float(np.ptp(transform(logits)) / np.ptp(logits))

    laws = [scale * np.linspace(0, 1, 60) for scale in (1, 10, 60, 200)]
    assert [float(entropy(each)) for each in laws] == sorted((float(entropy(each)) for each in laws), reverse=True)
    by_entropy = [sharpened(transforms("edt:hottest=0.9,base=0.8,theta=1"), each) for each in laws]
    assert by_entropy == sorted(by_entropy)
    assert by_entropy[0] >= 1 / 0.9
    assert by_entropy[-1] > 1.1 * by_entropy[0]
    fixed = [sharpened(transforms("temperature:t=0.9"), each) for each in laws]
    assert max(fixed) - min(fixed) < 1e-6


def logs(*p: float) -> np.ndarray:
    return np.log(np.array(p))


class Toy:
    """A law by prefix, and what it was asked."""

    def __init__(self, laws: dict[Tokens, Sequence[float]], other: Sequence[float]) -> None:
        self.laws, self.other, self.passes = laws, other, 0

    def __call__(self, prefixes: Sequence[Tokens]) -> np.ndarray:
        self.passes += 1
        return np.log(np.array([self.laws.get(prefix, self.other) for prefix in prefixes]) + 1e-300)


def test_basis_aware() -> None:
    matrix = np.array([[1, 0.0], [1, 0], [1, 0], [0, 0], [0, 9]])  # the last alone has the second direction
    z = logs(0.6, 0.2, 0.08, 0.07, 0.05)
    transform = build("basis-aware:tau=0.1", "sample")(matrix)
    assert np.flatnonzero(np.isfinite(transform(z))).tolist() == [0, 1, 3, 4]
    blind = build("basis-aware:tau=0.1", "sample")(np.ones((5, 2)))  # the control knows no direction: a threshold
    assert np.flatnonzero(np.isfinite(blind(z))).tolist() == [0, 1]


THREE = Toy({(): (0.5, 0.3, 0.2), (0,): (0.2, 0.5, 0.3), (1,): (0.1, 0.1, 0.8)}, (0.4, 0.4, 0.2))


def test_arithmetic_sampling() -> None:
    """The law is exact by chi-square, and the count of a token varies less than a binomial's."""
    language, counts, seen = Language(THREE), [], Counter[Tokens]()
    for seed in range(400):
        drafts = build(f"arithmetic-sampling:n=8,seed={seed}", "sample")(language, (), 2)
        counts.append(sum(draft.tokens[0] == 0 for draft in drafts))
        seen[drafts[seed % 8].tokens] += 1
    law = np.array([THREE.laws[()][a] * THREE.laws.get((a,), THREE.other)[b] for a in range(3) for b in range(3)])
    got = np.array([seen[a, b] for a in range(3) for b in range(3)])
    assert ((got - 400 * law) ** 2 / (400 * law)).sum() < 26.1  # 8 degrees of freedom, p = 0.001
    uniform = np.full(9, 400 / 9)
    assert ((got - uniform) ** 2 / uniform).sum() > 26.1  # the control is another law
    independent = np.random.default_rng(0).binomial(8, 0.5, 400)
    assert np.var(counts) < 0.1 * np.var(independent)


def test_priority_sampling() -> None:
    language = Language(THREE, pieces=("a", "b", "c"))
    drafts = build("priority-sampling:n=6", "sample")(language, (), 3)
    assert len({draft.tokens for draft in drafts}) == 6
    assert drafts[0].tokens == (0, 1, 0)
    assert drafts == build("priority-sampling:n=6", "sample")(language, (), 3)
    texts = [
        ["".join("abc"[t] for t in draft.tokens) for draft in build(spec, "sample")(language, (), 3)]
        for spec in ("priority-sampling:n=6,pattern=[bc]+", "priority-sampling:n=6")
    ]
    matched = [[bool(regex.fullmatch("[bc]+", text)) for text in some] for some in texts]
    assert all(matched[0])
    assert len(set(texts[0])) == 6
    assert not all(matched[1])  # the control knows no expression
    random = build("arithmetic-sampling:n=6", "sample")(language, (), 1)
    assert len({draft.tokens for draft in random}) < 6  # nor does drawing give different ones


def test_nucleus_beam() -> None:
    trap = Language(Toy({(): (0.5, 0.4, 0.1), (1,): (0.98, 0.01, 0.01)}, (0.34, 0.33, 0.33)))
    best = build("nucleus-beam:p=0.85", "sample")(trap, (), 2)[0]
    assert best.tokens == (1, 0)
    assert np.isclose(best.logprob, np.log(0.4 * 0.98))
    assert build("nucleus-beam:p=0.85,dynamic=true", "sample")(trap, (), 2)[0].tokens == (1, 0)
    assert build("nucleus-beam:p=0.85,dynamic=true,most=1", "sample")(trap, (), 2)[0].tokens == (0, 0)  # greedy
    assert build("nucleus-beam:p=0.4", "sample")(trap, (), 2)[0].tokens[0] == 0  # pruned away


class Heard:
    """Hears the mean of all it was fed; counts its passes."""

    end, passes = None, 0

    def embed(self, tokens: Tokens) -> np.ndarray:
        return np.eye(4)[list(tokens)]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        self.passes += 1
        return logs(0.3, 0.28, 0.22, 0.2) + 0 * inputs.sum()


def test_superposed_decoding() -> None:
    """Three drafts for five passes, and each draft follows its own n-grams: here a token is followed by itself."""

    def grams(tokens: Tokens) -> np.ndarray:
        return np.log(np.where(np.arange(4) == tokens[-1], 0.97, 0.01)) if len(tokens) > 1 else logs(*[0.25] * 4)

    model = Heard()
    drafts = build("superposed-decoding:k=3", "sample")(model, grams, (0,), 5)
    assert model.passes == 5
    assert [len(set(draft.tokens)) for draft in drafts] == [1, 1, 1]
    assert len({draft.tokens for draft in drafts}) == 3
    shared = build("superposed-decoding:k=3,alpha=0", "sample")(Heard(), grams, (0,), 5)
    assert [len(set(draft.tokens)) for draft in shared] != [1, 1, 1]  # the control hears no n-grams


def test_mpg_scr() -> None:
    base, one, two = (Language(Toy({}, law)) for law in ((0.4, 0.3, 0.3), (0.6, 0.2, 0.2), (0.5, 0.4, 0.1)))
    target = np.array([0.6 * 0.5 / 0.4, 0.2 * 0.4 / 0.3, 0.2 * 0.1 / 0.3])
    target /= target.sum()

    def far(spec: str) -> float:
        drawn = Counter(build(f"{spec},seed={s}", "sample")(base, [one, two], (), 1)[0].tokens[0] for s in range(600))
        return float(sum(abs(drawn[t] / 600 - target[t]) for t in range(3)) / 2)

    assert far("mpg-scr:weight=1") < 0.08
    assert far("mpg-scr:weight=0") > 0.15  # the control is the model that proposes


def test_crowd_sampling() -> None:
    answers = ["x", "a cat sat", "a cat sits", "the cat sat", "x"]
    assert answers[build("crowd-sampling", "test-time-search")(answers)] == Counter(answers).most_common(1)[0][0]
    assert answers[build("crowd-sampling:utility=overlap", "test-time-search")(answers)] == "a cat sat"
    rng, choose = np.random.default_rng(0), build("crowd-sampling", "test-time-search")
    samples = [[*map(str, rng.choice(4, 15, p=(0.4, 0.25, 0.2, 0.15)))] for _ in range(100)]
    voted = np.mean([drawn[choose(drawn)] == "0" for drawn in samples])
    alone = np.mean([drawn[0] == "0" for drawn in samples])  # the control: the first of them
    assert voted > alone + 0.2


def test_quasi_random_multi_sample() -> None:
    law = np.array((0.4, 0.3, 0.2, 0.1))
    language, rng = Language(Toy({}, law)), np.random.default_rng(0)
    spec = "quasi-random-multi-sample:n=10,seed="
    won = [build(f"{spec}{s}", "survey-eval")(language, (), 1)[0].tokens for s in range(100)]
    drawn = [int(np.bincount(rng.choice(4, 10, p=law), minlength=4).argmax()) for _ in range(100)]
    assert set(won) == {(0,)}
    assert len(set(drawn)) > 1  # the control: independent draws often vote for another
    distinct = [
        len({d.tokens for d in build(f"arithmetic-sampling:n=10,seed={s}", "sample")(language, (), 1)})
        for s in range(50)
    ]
    assert np.mean(distinct) > np.mean([len(set(rng.choice(4, 10, p=law))) for _ in range(50)])


def test_best_of_majority() -> None:
    """The reward is wrong about rare answers, and the more samples there are, the more of those are met."""
    rng, choose = np.random.default_rng(0), build("best-of-majority", "test-time-search")

    def right(n: int) -> tuple[float, float]:
        hits = []
        for _ in range(100):
            answers = [*map(int, np.where(rng.random(n) < 0.5, 0, rng.integers(1, 1000, n)))]
            rewards = np.array([1.0 if a == 0 else 2.0 * (a < 50) for a in answers])
            hits.append((choose(answers, rewards) == [0], answers[int(rewards.argmax())] == 0))
        kept, by_reward = np.mean(hits, axis=0)
        return float(kept), float(by_reward)

    (few, few_by_reward), (many, many_by_reward) = right(20), right(400)
    assert many >= few > 0.9
    assert many_by_reward < few_by_reward  # the control


def test_sata_bench() -> None:
    rng, funnel = np.random.default_rng(0), build("sata-bench", "survey-eval")
    exact, fixed = [], []
    for _ in range(100):
        truth = set(map(int, rng.choice(5, rng.integers(1, 5), replace=False)))
        prior = np.append(rng.normal(0, 2, 5), 0.0)
        scores = prior + np.append([3.0 if o in truth else -3.0 for o in range(5)], 0.0) + rng.normal(0, 0.3, 6)
        exact.append(set(funnel(lambda left, z=scores: z[[*left, -1]], prior)) == truth)
        p = np.exp(scores - np.logaddexp.reduce(scores))
        fixed.append(set(np.flatnonzero(p > 0.15)) == truth)
    assert np.mean(exact) > 0.95
    assert np.mean(fixed) < 0.6  # the control: one threshold on what the model says
