"""A budget is a whole number of tokens, never less than none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise import Budget
from chunkwise.errors import BudgetError, UserError


@given(st.integers(min_value=0))
def test_of_a_number_or_a_budget(tokens: int) -> None:
    budget = Budget.of(tokens)
    assert budget.tokens == tokens
    assert Budget.of(budget) is budget


@pytest.mark.parametrize("wrong", [-1, 1.5, 10.0, "100", None, True, float("nan")])
def test_what_is_no_budget(wrong: object) -> None:
    with pytest.raises(BudgetError) as raised:
        Budget.of(wrong)  # type: ignore[arg-type]
    assert isinstance(raised.value, UserError)
    assert str(wrong) in str(raised.value)


def test_a_budget_stays_as_it_is() -> None:
    with pytest.raises(AttributeError):
        Budget(3).tokens = 4  # type: ignore[misc]
