"""Roles: which words count, and that every role keeps its own budget."""

from __future__ import annotations

import numpy as np
import pytest

from chunkwise.budget import Budget
from chunkwise.errors import UserError
from chunkwise.select import route
from chunkwise.select.roles import mention
from chunkwise.units import Candidates

TEXTS = ["Refunds are paid in June.", "The kiln is hot.", "Refunds of the kiln", "", "\ud83d 窯 kiln\x00"]


def shared() -> Candidates:
    return Candidates(np.arange(5), np.full(5, 0.5, np.float32), np.full(5, 10), texts=TEXTS)


def test_mention() -> None:
    found = mention("refund, KILN!", TEXTS, 5)
    assert found[0] > found[1] > 0 == found[3]  # refunds stand in fewer of them
    assert found[2] == pytest.approx(1)
    assert mention("kilns", TEXTS, 5).tolist() == [0] * 5  # a longer word is not in a shorter one
    for nothing in (mention("", TEXTS, 5), mention("a . (", TEXTS, 5), mention("kiln", None, 5)):
        assert nothing.tolist() == [0] * 5


def test_every_role_keeps_its_budget() -> None:
    roles = {"desk": "refunds", "workshop": "kiln", "nobody": ""}
    for budgets in (20, Budget(20), {"desk": 10, "workshop": 20, "nobody": 0}):
        routed = route(shared(), roles, budgets)  # type: ignore[arg-type]
        assert list(routed) == list(roles)
        for name, selection in routed.items():
            most = budgets[name] if isinstance(budgets, dict) else 20
            assert sum(one.cost for one in selection.decisions if one.kept) <= most
    assert [at for at, one in enumerate(routed["workshop"].decisions) if one.kept] == [1, 2]
    assert routed["workshop"].decisions[1].reason == "relevance 1.00 + role 1.00"
    with pytest.raises(UserError, match="'workshop' has no budget"):
        route(shared(), roles, {"desk": 10})
