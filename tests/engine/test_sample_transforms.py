"""Every transform, whatever it cuts: some token stays, the best among them, and NumPy and torch agree."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from chunkwise.engine.sample import Sampler, pick, shares, transforms, uniform
from chunkwise.engine.sample.transform import best, probabilities
from chunkwise.errors import UnknownRecipe, UserError

SPECS = [
    "temperature:t=0",
    "temperature:t=0.3",
    "temperature:t=4",
    "top-k-sampling:k=3",
    "nucleus-sampling:p=0.7",
    "nucleus-sampling:p=0",
    "min-p:base=0.2",
    "min-p:base=0",
    "eta-sampling",
    "top-h",
    "edt",
    "temperature:t=2|min-p:base=0.1|top-k-sampling:k=4",
]
LOGITS = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=12).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-30, 30, width=32))
)


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=40, deadline=None)
@given(LOGITS)
def test_something_stays_and_the_best_is_among_it(spec, logits):
    cut = transforms(spec)(logits)
    assert cut.shape == logits.shape
    assert np.isfinite(cut).any(-1).all()
    at = logits.argmax(-1)[..., None]
    assert np.isfinite(np.take_along_axis(cut, at, -1)).all()
    assert np.allclose(probabilities(cut).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=25, deadline=None)
@given(LOGITS)
def test_torch_agrees_with_numpy_and_each_row_with_itself_alone(spec, logits):
    here, there = transforms(spec)(logits), transforms(spec)(torch.from_numpy(logits)).numpy()
    assert (np.isfinite(here) == np.isfinite(there)).all()
    assert np.allclose(here, there, atol=1e-4)
    rows = logits.reshape(-1, logits.shape[-1])
    alone = np.stack([transforms(spec)(row) for row in rows]).reshape(logits.shape)
    assert (np.isfinite(here) == np.isfinite(alone)).all()


@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_as_many_stay_as_asked_for_among_equals_too(n, k, distinct):
    logits = np.random.default_rng(n).integers(0, distinct + 1, n).astype(np.float32)
    kept = np.isfinite(transforms(f"top-k-sampling:k={k}")(logits))
    assert kept.sum() == min(n, k)
    assert set(np.flatnonzero(kept).tolist()) == set((-logits).argsort(kind="stable")[:k].tolist())


def test_a_longer_nucleus_than_is_sorted_at_first():
    logits = np.zeros(5000, np.float32)
    assert np.isfinite(transforms("nucleus-sampling:p=0.9")(logits)).sum() == pytest.approx(4500, abs=1)


@pytest.mark.parametrize(("spec", "tighter"), [
    ("top-k-sampling:k=9", "top-k-sampling:k=4"),
    ("nucleus-sampling:p=0.9", "nucleus-sampling:p=0.5"),
    ("min-p:base=0.05", "min-p:base=0.3"),
    ("eta-sampling:epsilon=0.001", "eta-sampling:epsilon=0.1"),
    ("top-h:alpha=0.8", "top-h:alpha=0.3"),
])  # fmt: skip
@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_a_tighter_cut_keeps_a_part_of_what_a_looser_one_does(spec, tighter, seed):
    logits = 2 * np.random.default_rng(seed).normal(size=60)
    loose, tight = (np.isfinite(transforms(each)(logits)) for each in (spec, tighter))
    assert (tight <= loose).all()


def test_the_order_of_a_chain_is_the_callers():
    logits = np.log(np.array([0.6, 0.3, 0.1]))
    after = transforms("temperature:t=4|min-p:base=0.4")(logits)
    before = transforms("min-p:base=0.4|temperature:t=4")(logits)
    assert np.isfinite(after).sum() == 3
    assert np.isfinite(before).sum() == 2


@pytest.mark.parametrize(
    "spec",
    ["temperature:t=-1", "top-k-sampling:k=0", "nucleus-sampling:p=2", "eta-sampling:epsilon=0", "edt:base=1"],
)
def test_a_setting_that_means_nothing_is_refused(spec):
    with pytest.raises(UserError):
        transforms(spec)


def test_an_unknown_sampler_is_named():
    with pytest.raises(UnknownRecipe, match="min-p"):
        transforms("min_p")


@given(LOGITS, st.floats(0, 1, exclude_max=True))
@settings(max_examples=50, deadline=None)
def test_a_number_falls_into_the_share_of_the_token_it_picks(logits, at):
    cut = transforms("top-k-sampling:k=3")(logits)
    token = pick(cut, np.full(logits.shape[:-1], at))
    begin, width = shares(cut, token)
    assert (begin <= at + 1e-6).all()
    assert (at <= begin + width + 1e-6).all()
    assert np.isfinite(np.take_along_axis(cut, np.asarray(token)[..., None], -1)).all()


@pytest.mark.parametrize("spec", ["temperature:t=1", "temperature:t=1.7|nucleus-sampling:p=0.8", "min-p:base=0.2"])
def test_draws_follow_the_law(spec):
    logits = np.log(np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04]))
    sampler = Sampler(transforms(spec), seed=5)
    law = sampler.law(logits, {})
    n = 20_000
    found = np.bincount([sampler.draw(law, position) for position in range(n)], minlength=6)
    expected = n * probabilities(law)
    held = expected > 0
    assert (found[~held] == 0).all()
    distance = ((found[held] - expected[held]) ** 2 / expected[held]).sum()
    assert distance < 25  # chi-square of at most 5 degrees: one in seven thousand


def test_a_draw_depends_on_seed_and_position_alone():
    assert uniform(1, 2) == uniform(1, 2)
    drawn = {uniform(seed, position) for seed in range(30) for position in range(30)}
    assert len(drawn) == 900
    assert all(0 <= number < 1 for number in drawn)
    assert uniform(-1, 0) != uniform(1, 0)


def test_bias_and_penalties_come_before_the_cut():
    logits = torch.tensor([2.0, 1.0, 0.0])
    sampler = Sampler(best, bias={2: 5.0})
    assert sampler.draw(sampler.law(logits, {}), 0) == 2
    sampler = Sampler(best, presence=0.5, frequency=0.3)
    assert sampler.draw(sampler.law(logits, {0: 1}), 0) == 0
    assert sampler.draw(sampler.law(logits, {0: 2}), 0) == 1
    assert logits.tolist() == [2, 1, 0]
