"""The signals of surprise, each beside a slow loop over its definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.models import Surprise
from chunkwise.recipe import build
from chunkwise.segment.grapheme import untorn
from chunkwise.segment.surprise.dynamic import begins, boundary_chances, dechunked, ratio_loss
from chunkwise.segment.surprise.margin import margins
from chunkwise.segment.surprise.perplexity import log_perplexity
from chunkwise.segment.surprise.recipes import chunk_starts
from chunkwise.segment.surprise.spans import rises
from chunkwise.segment.threshold import local_minima, observed_drop
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats
from supplies import Letters

signals = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), max_size=30).map(lambda s: np.array(s, dtype=np.float32))


def test_perplexity_is_the_mean_cost_of_each_unit() -> None:
    text = "one two three"  # tokens of the stand-in are characters
    nats = Letters().surprise(text).nats
    found = log_perplexity(text, np.array([0, 4, 8, 13]), Letters())
    np.testing.assert_allclose(found, [nats[:4].mean(), nats[4:8].mean(), nats[8:].mean()], rtol=1e-6)
    assert log_perplexity("", np.array([0]), Letters()).shape == (0,)


def test_margin_is_keep_less_split() -> None:
    class Asked(Letters):
        def choose(self, prompt: str, answers: object) -> Floats:
            assert answers == (" 2", " 1")
            return np.array([-1.0, -3.0 if "Passage A: one" in prompt else -0.25], dtype=np.float32)

    found = margins("one. two. three.", np.array([0, 5, 10, 16]), Asked())
    assert found.tolist() == [2.0, -0.75]


@given(signals, st.sampled_from(["monotonic", "global", "combined"]), st.sampled_from([0.0, 30.0, 100.0]))
def test_a_span_begins_where_the_surprise_rises(nats: Floats, constraint: str, percentile: float) -> None:
    limit = np.percentile(nats, percentile) if len(nats) else 0
    slow = []
    for at, nat in enumerate(nats):
        falls, low = at > 0 and nat < nats[at - 1], nat <= limit
        goes_on = {"monotonic": falls, "global": low, "combined": falls or low}[constraint]
        slow.append(at == 0 or not goes_on)
    assert rises(nats, constraint, percentile).tolist() == slow  # type: ignore[arg-type]


@given(signals, st.integers(1, 4))
def test_the_observed_drop_is_the_smallest_of_the_first(signal: Floats, first: int) -> None:
    minima = local_minima(signal)
    drops = [max(signal[at - 1], signal[at + 1]) - signal[at] for at in range(len(signal)) if minima[at]]
    assert observed_drop(signal, minima, first) == pytest.approx(min(drops[:first], default=0.0))


states = st.integers(1, 20).flatmap(
    lambda t: st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=(t, 6)).astype("f4"))
)


@settings(deadline=None)
@given(states, st.integers(0, 100))
def test_boundary_chances_smoothing_and_ratio_loss_are_the_papers(states: Floats, seed: int) -> None:
    random = np.random.default_rng(seed)
    ask, key = random.normal(size=(2, 4, 6)).astype(np.float32)
    chances = boundary_chances(states, ask, key)
    slow = [1.0]
    for before, here in pairwise(states):
        q, k = ask @ here, key @ before
        slow.append((1 - q @ k / (np.linalg.norm(q) * np.linalg.norm(k))) / 2)
    np.testing.assert_allclose(chances, slow, atol=1e-5)

    chosen = begins(chances)
    inner = random.normal(size=(int(chosen.sum()), 3)).astype(np.float32)
    z, chunk, smooth = np.zeros(3), -1, []
    for begin, p in zip(chosen, chances, strict=True):
        if begin:
            chunk += 1
            z = p * inner[chunk] + (1 - p) * z
        smooth.append(z)
    np.testing.assert_allclose(dechunked(inner, chances), smooth, atol=1e-5)

    f, g = np.mean(np.array(chances) >= 0.5), np.mean(chances)
    assert ratio_loss(chances, 6) == pytest.approx(6 / 5 * (5 * f * g + (1 - f) * (1 - g)), rel=1e-5)


def test_the_ratio_loss_is_one_at_its_ratio_and_more_beside_it() -> None:
    def loss(every: int) -> float:
        return ratio_loss(np.where(np.arange(1200) % every == 0, 1.0, 0.0).astype(np.float32), 6)

    assert loss(6) == pytest.approx(1)
    assert loss(3) > 1 > 0.99
    assert loss(1) > loss(2) > loss(3)


def test_chunk_starts_do_not_depend_on_where_a_stretch_ends() -> None:
    text = "abc def, ghi. " * 200
    assert chunk_starts(text, Letters(), 100).tolist() == chunk_starts(text, Letters()).tolist()


def test_a_model_without_states_is_refused_by_h_net() -> None:
    class Blind(Letters):
        def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
            return super().surprise(text, given=given)

    cut = build("h-net", "segment", {"lm": Blind})
    with pytest.raises(UserError, match="letters"):
        cut(Document.of("some text"), tokenizer().offsets("some text"))


@pytest.mark.parametrize(
    "spec", ["bytespan:constraint=upward", "bytespan:percentile=101", "meta-chunking-margin:last=0", "h-net:size=0"]
)
def test_impossible_settings_are_refused(spec: str) -> None:
    with pytest.raises(UserError, match=r"constraint|percentile|last|size"):
        build(spec, "segment", {"lm": Letters})


@given(st.text(st.sampled_from("ab\r\n e\u0301👩\u200d\ud83d\ude00"), max_size=30))
def test_no_kept_offset_tears_a_character(text: str) -> None:
    kept = untorn(text, np.arange(1, len(text))).tolist()
    for at in kept:
        assert text[at - 1 : at + 1] != "\r\n"
        assert text[at] not in "\u0301\u200d" or text[at - 1] in "\r\n\ude00"
    if text.isalpha() and text.isascii():
        assert kept == list(range(1, len(text)))
