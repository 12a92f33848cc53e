"""What a step is made of under its budget of tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from chunkwise.engine.schedule.scheduler import Draft

Compose: TypeAlias = Callable[["Draft"], object]
"""Fills a draft by its acts (make way, decode, prefill, admit) in some order; what comes first is never stalled."""


def stall_free(draft: Draft) -> None:
    """Every decode, then prompts that are under way, then new ones."""
    draft.decode()
    draft.prefill()
    draft.admit()


def preemptive(draft: Draft) -> None:
    """Stall-free, after those who have had more have made way for those who have had less."""
    draft.make_way()
    stall_free(draft)


def one_prompt(draft: Draft) -> None:
    """Every decode, and a chunk of one prompt."""
    draft.decode()
    if not draft.prefill(most=1):
        draft.admit(most=1)


def one_batch(draft: Draft) -> None:
    """Every decode, and the prompts that are under way together; new ones when these are through."""
    draft.decode()
    if not draft.prefill():
        draft.admit()


def prefill_first(draft: Draft) -> None:
    """Prompts alone while any can be taken in, or else decodes: what stalls them."""
    draft.prefill()
    draft.admit()
    if not draft.prompts:
        draft.decode()


def whole_batches(draft: Draft) -> None:
    """Batches that begin together, of whatever waits, and end together: nobody joins one that runs."""
    if draft.running:
        draft.decode()
        draft.prefill()
    else:
        draft.admit()
