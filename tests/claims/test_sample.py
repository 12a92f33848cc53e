"""Samplers do what their papers claim, each beside a control that does not."""

import numpy as np
import pytest

from chunkwise.engine.sample import Transform, transforms
from chunkwise.engine.sample.transform import entropy, probabilities

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
