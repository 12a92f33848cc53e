"""What searches hold to, and the transform that needs a matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.sample import transforms
from chunkwise.engine.sample.language import Language, Search
from chunkwise.engine.sample.transform import probabilities
from chunkwise.engine.sample.vote import crowd
from chunkwise.errors import UserError
from chunkwise.recipe import build, recipes

built = {made.name: build(made.name, "sample") for made in recipes("sample")}
SEARCHES = sorted(name for name, one in built.items() if isinstance(one, Search))
logits = st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=12).map(lambda z: np.array([z, z[::-1]]))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(logits)
def test_basis_aware(z: np.ndarray) -> None:
    one = built["basis-aware"](np.eye(z.shape[1]))
    out = one(z)
    assert out.shape == z.shape
    assert np.isfinite(np.take_along_axis(out, z.argmax(-1)[:, None], -1)).all()
    assert np.allclose(probabilities(out).sum(-1), 1)
    assert np.allclose(one(torch.tensor(z)).numpy(), out)
    assert np.allclose(one(z[None])[0], out)


@pytest.mark.parametrize("name", [*SEARCHES, "basis-aware"])
def test_no_search_stands_in_a_chain(name: str) -> None:
    with pytest.raises(UserError, match="no transform"):
        transforms(f"temperature|{name}")


@pytest.mark.parametrize("name", ["arithmetic-sampling", "nucleus-beam", "priority-sampling"])
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_searches(name: str, kind: object) -> None:
    law = np.random.default_rng(0).normal(size=(7, 6))
    language = Language(lambda some: _rows(kind, law, some), 5)
    drafts = built[name](language, (3,), 6)
    assert drafts == built[name](language, (3,), 6)
    plain = built[name](Language(lambda some: _rows(np.asarray, law, some), 5), (3,), 6)
    assert [draft.tokens for draft in drafts] == [draft.tokens for draft in plain]
    for draft in drafts:
        assert 0 < len(draft.tokens) <= 6
        assert 5 not in draft.tokens[:-1]
        steps = [language.logprobs([(3, *draft.tokens[:i])])[0, t] for i, t in enumerate(draft.tokens)]
        assert np.isclose(sum(steps), draft.logprob)


def _rows(kind, law, some):  # type: ignore[no-untyped-def]
    return kind(law[[sum(prefix) % 7 for prefix in some]])


def test_long_codes_do_not_run_out_of_digits() -> None:
    drafts = build("arithmetic-sampling:n=2", "sample")(Language(lambda some: np.zeros((len(some), 2))), (), 4000)
    for draft in drafts:
        assert abs(np.mean(draft.tokens) - 0.5) < 0.04


def test_odd_inputs() -> None:
    language = Language(lambda some: np.zeros((len(some), 3)))
    assert all(draft.tokens == () for draft in built["arithmetic-sampling"](language, (), 0))
    with pytest.raises(UserError, match="pieces"):
        build("priority-sampling:pattern=a", "sample")(language, (), 2)
    with pytest.raises(UserError, match="no answer"):
        crowd([])
